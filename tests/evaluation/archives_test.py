"""Archives for servers: the accepted form, and errors in other forms."""

import zipfile

import pytest

from acm_jax.evaluation import archives, benchmarks

TRACKINGNET = benchmarks.get('trackingnet')
GOT10K = benchmarks.get('got10k_test')
ROWS = '1.00,2.00,3.00,4.00\n' * 2


def pack(path, benchmark, changes=None):
  """Writes an archive that the server accepts, with changes to its members.

  Args:
    path: Path of the archive.
    benchmark: Benchmark of the archive.
    changes: Content of members that differ; None leaves the member out.
  """
  members = {}
  for name in benchmark.sequences:
    for member in archives._members(name, benchmark):
      timed = member.endswith('_time.txt')
      members[member] = '0.01\n0.02\n' if timed else ROWS
  with zipfile.ZipFile(path, 'w') as archive:
    for member, content in (members | (changes or {})).items():
      if content is not None:
        archive.writestr(member, content)
  return path


def test_each_result_must_have_the_known_number_of_frames(tmp_path):
  path = pack(tmp_path / 'a.zip', GOT10K)
  frames = {'GOT-10k_Test_000003': 5}
  with pytest.raises(ValueError, match=r'3_001.txt: 2 rows, .* has 5 frames'):
    archives.check(path, GOT10K, frames=frames)


@pytest.mark.parametrize(
  ('benchmark', 'count'), [(TRACKINGNET, 511), (GOT10K, 180)]
)
def test_a_complete_archive_is_well_formed(tmp_path, benchmark, count):
  summary = archives.check(pack(tmp_path / 'a.zip', benchmark), benchmark)
  assert f'{count} sequences of {benchmark.name}, all well formed' in summary


FIRST = TRACKINGNET.sequences[0] + '.txt'
BOXES = 'GOT-10k_Test_000001/GOT-10k_Test_000001_001.txt'
SECOND = 'GOT-10k_Test_000001/GOT-10k_Test_000001_002.txt'
TIMES = 'GOT-10k_Test_000001/GOT-10k_Test_000001_time.txt'


@pytest.mark.parametrize(
  ('benchmark', 'changes', 'message'),
  [
    (TRACKINGNET, {FIRST: None}, f'{FIRST} is missing'),
    (TRACKINGNET, {FIRST: '1,2,3\n'}, f"{FIRST} row 1: '1,2,3' is not four"),
    (TRACKINGNET, {FIRST: '1\t2\t3\t4\n'}, f'{FIRST} row 1'),
    (
      TRACKINGNET,
      {FIRST: ROWS + '1,2,nan,4\n'},
      f'{FIRST} row 3: .* not finite',
    ),
    (TRACKINGNET, {FIRST: '1,2,0,4\n'}, f'{FIRST} row 1: .* with an area'),
    (TRACKINGNET, {FIRST: ''}, f'{FIRST}: empty'),
    (GOT10K, {BOXES: ROWS * 2}, f'{TIMES}: 2 rows, but {BOXES} has 4'),
    (GOT10K, {SECOND: 'hello\n'}, f"{SECOND} row 1: 'hello' is not four"),
    (GOT10K, {SECOND: ROWS * 2}, f'{SECOND}: 4 rows, but {BOXES} has 2'),
    (TRACKINGNET, {FIRST: '1,2,3,4\n'}, f'{FIRST}: only 1 row; write'),
    (GOT10K, {TIMES: 'fast\n'}, f"{TIMES} row 1: 'fast' is not a number"),
  ],
)
def test_a_malformed_member_is_named(tmp_path, benchmark, changes, message):
  path = pack(tmp_path / 'a.zip', benchmark, changes)
  with pytest.raises(ValueError, match=message):
    archives.check(path, benchmark)


def test_results_inside_a_folder_are_refused(tmp_path):
  path = tmp_path / 'a.zip'
  with zipfile.ZipFile(path, 'w') as archive:
    for name in TRACKINGNET.sequences:
      archive.writestr(f'ours/{name}.txt', ROWS)
  with pytest.raises(ValueError, match='without an enclosing folder'):
    archives.check(path, TRACKINGNET)


@pytest.mark.parametrize(
  ('benchmark', 'name'),
  [(TRACKINGNET, 'readme.txt'), (GOT10K, 'Test_1/Test_1_002.txt')],
)
def test_a_file_that_belongs_to_no_sequence_is_refused(
  tmp_path, benchmark, name
):
  path = pack(tmp_path / 'a.zip', benchmark, {name: 'hello'})
  with pytest.raises(ValueError, match=f'{name} is not a result of a sequence'):
    archives.check(path, benchmark)


def test_missing_and_unreadable_archives_are_refused(
  tmp_path,
):
  (tmp_path / 'a.zip').write_text('no')
  with pytest.raises(ValueError, match='not a zip archive'):
    archives.check(tmp_path / 'a.zip', TRACKINGNET)
  with pytest.raises(FileNotFoundError, match='no such file'):
    archives.check(tmp_path / 'b.zip', TRACKINGNET)


def test_a_benchmark_without_a_server_is_refused(tmp_path):
  with pytest.raises(ValueError, match='otb100: no server scores'):
    archives.check(tmp_path / 'a.zip', benchmarks.get('otb100'))


def test_several_runs_of_a_sequence_are_permitted(tmp_path):
  path = pack(tmp_path / 'a.zip', GOT10K)
  with zipfile.ZipFile(path, 'a') as archive:
    archive.writestr(BOXES.replace('_001.txt', '_002.txt'), ROWS)
  assert 'all well formed' in archives.check(path, GOT10K)
