"""The prepare command: real video to clip set, and its check."""

import errno
import json
import shutil

import pytest

from data_pipelines import prepare

SEQUENCE = 'libby'


@pytest.fixture(scope='module')
def davis(real_data, tmp_path_factory):
  """DAVIS cut to the first five frames of one sequence."""
  pytest.importorskip('tensorflow')
  source = real_data / 'sequences' / 'DAVIS'
  root = tmp_path_factory.mktemp('davis')
  for part in ('JPEGImages', 'Annotations'):
    images = sorted((source / part / '480p' / SEQUENCE).iterdir())[:5]
    (root / part / '480p' / SEQUENCE).mkdir(parents=True)
    for path in images:
      (root / part / '480p' / SEQUENCE / path.name).symlink_to(path.resolve())
  return root


def run(capsys, *argv):
  """Exit code, stdout and stderr lines."""
  try:
    code = prepare.main(list(map(str, argv)))
  except SystemExit as end:
    code = end.code
  printed = capsys.readouterr()
  return code, printed.out, printed.err.splitlines()


def test_davis_is_prepared_checked_and_not_overwritten(davis, tmp_path, capsys):
  out = tmp_path / 'sets' / 'davis'
  flags = ('davis', '--source', davis, '--out', out)
  assert run(capsys, *flags)[0] == 0
  manifest = json.loads((out / 'manifest.json').read_text())
  assert manifest['frames'] + sum(manifest['dropped'].values()) == 5
  code, printed, errors = run(capsys, 'davis', '--out', out, '--check')
  assert (code, errors) == (0, [])
  assert printed == f'{manifest["frames"]} frames in {out}\n'

  code, _, errors = run(capsys, *flags)
  assert code == 2
  assert errors == [f'error: {out} is there already: remove it or name another']

  shard = next(out.glob('*.tfrecord'))
  shard.write_bytes(shard.read_bytes()[:-2000])
  code, _, errors = run(capsys, *flags, '--check')
  assert code == 2
  assert len(errors) == 1
  assert f'JPEG of track 0 ({SEQUENCE})' in errors[0]
  assert 'truncated' in errors[0]


@pytest.mark.parametrize('share', [0.0, 0.02, 0.5, 0.99], ids=str)
def test_a_truncated_index_is_named(clip_folder, tmp_path, capsys, share):
  out = shutil.copytree(clip_folder, tmp_path / 'set')
  index = out / 'index.npz'
  index.write_bytes(index.read_bytes()[: int(share * index.stat().st_size)])
  code, _, errors = run(capsys, 'folder', '--out', out, '--check')
  assert code == 2
  assert errors == [f'error: {index}: damaged; write the clip set again']


@pytest.mark.parametrize(
  ('argv', 'message'),
  [
    (['davis', '--out', 'o'], '--source is missing'),
    (['davis', '--source', 'nowhere'], '--out'),
    (['otb', '--source', '.', '--out', 'o'], "invalid choice: 'otb'"),
    (['davis', '--source', 'nowhere', '--out', 'o'], 'nowhere: no such folder'),
    (['folder', '--source', '.', '--out', 'o'], 'no sequence in the layout'),
    (['folder', '--out', 'o', '--check'], 'o: no clip set'),
  ],
  ids=['source', 'out', 'name', 'no folder', 'no sequence', 'no set'],
)
def test_a_wrong_request_is_one_line_and_writes_nothing(
  tmp_path, monkeypatch, capsys, argv, message
):
  monkeypatch.chdir(tmp_path)
  code, _, errors = run(capsys, *argv)
  assert code == 2
  assert len(errors) == 1
  assert errors[0].startswith('error: ')
  assert message in errors[0]
  assert not list(tmp_path.iterdir())


def test_help_shows_an_example(capsys):
  code, printed, _ = run(capsys, '--help')
  assert code == 0
  assert 'python -m data_pipelines.prepare davis --source' in printed


def test_a_full_disk_is_work_that_failed(
  sequences, tmp_path, monkeypatch, capsys
):
  def full(*_, **__):
    raise OSError(errno.ENOSPC, 'No space left on device', 'shard')

  monkeypatch.setattr(prepare.clips, 'write', full)
  flags = ('folder', '--source', sequences, '--out', tmp_path / 'o')
  code, _, errors = run(capsys, *flags)
  assert code == 1
  assert len(errors) == 1
  assert "No space left on device: 'shard'" in errors[0]
