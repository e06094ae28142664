"""Methods over a benchmark's sequences."""

import json
import shutil
import zipfile

import numpy as np
import pytest

from acm_jax.evaluation import archives, benchmarks, methods, run
from acm_jax.evaluation.results import read_boxes

FOLDER = benchmarks.get('folder')


def test_result_files_have_the_benchmarks_pixel_base(sequences, tmp_path):
  found = run.sequences(FOLDER, sequences)
  first_box = methods.baseline('first_box')
  matlab = benchmarks.get('otb100')
  boxes = {}
  for benchmark in (FOLDER, matlab):
    folder = run.run('ours', first_box, found, benchmark, sequences, tmp_path)
    assert folder == tmp_path / benchmark.name / 'ours'
    seconds = np.loadtxt(folder / 'times' / 'synthetic-0000_time.txt')
    decoded = np.loadtxt(folder / 'times' / 'synthetic-0000_with_decode.txt')
    assert seconds.shape == decoded.shape == (6,)
    assert (decoded >= seconds).all()
    boxes[benchmark] = read_boxes(folder / 'synthetic-0000.txt')
  moved = boxes[matlab] - boxes[FOLDER]
  np.testing.assert_allclose(moved, [[1, 1, 0, 0]] * 6, atol=1e-9)


def failing(found, calls):
  """A method that fails at the second sequence, and notes what it is given."""

  def follow(sequences, on_frames, supervision=None):
    calls.append([sequence.name for sequence in sequences])
    first_box = methods.baseline('first_box')
    for outcome in first_box.follow(sequences, on_frames, supervision):
      if sequences[outcome.index] is found[1] and len(calls) == 1:
        raise ValueError('synthetic-0001: frame 3 is other')
      yield outcome

  return methods.Method(follow, {'baseline': 'first_box'})


def test_what_was_interrupted_goes_on_where_it_stopped(sequences, tmp_path):
  found, calls = run.sequences(FOLDER, sequences), []
  method = failing(found, calls)
  with pytest.raises(ValueError, match='synthetic-0001: frame 3 is other'):
    run.run('ours', method, found, FOLDER, sequences, tmp_path)
  folder = tmp_path / 'folder' / 'ours'
  assert [path.name for path in folder.glob('*.txt')] == ['synthetic-0000.txt']
  for _ in range(2):
    run.run('ours', method, found, FOLDER, sequences, tmp_path)
  assert calls == [
    ['synthetic-0000', 'synthetic-0001'],
    ['synthetic-0001'],
    [],
  ]
  # One that is not whole is done again.
  file = folder / 'synthetic-0000.txt'
  file.write_text(file.read_text().partition('\n')[0] + '\n')
  run.run('ours', method, found, FOLDER, sequences, tmp_path)
  assert calls[-1] == ['synthetic-0000']


def test_results_of_another_tracker_are_not_mixed_with(sequences, tmp_path):
  found = run.sequences(FOLDER, sequences)
  run.run(
    'ours', methods.baseline('first_box'), found, FOLDER, sequences, tmp_path
  )
  with pytest.raises(ValueError, match='has results of another tracker'):
    run.run('ours', methods.baseline('mil'), found, FOLDER, sequences, tmp_path)
  (tmp_path / 'folder' / 'ours' / 'tracker.json').unlink()
  with pytest.raises(ValueError, match='has results of an unknown tracker'):
    run.run(
      'ours', methods.baseline('first_box'), found, FOLDER, sequences, tmp_path
    )


def test_lanes_do_not_change_the_results(sequences, tiny_model, tmp_path):
  found = run.sequences(FOLDER, sequences)
  files = []
  for count in (1, 2):
    method = methods.trained(tiny_model, count)
    folder = run.run(
      'ours', method, found, FOLDER, sequences, tmp_path / str(count)
    )
    files.append([read_boxes(path) for path in sorted(folder.glob('*.txt'))])
    speed = json.loads((folder / 'times' / 'speed.json').read_text())
    assert speed['frames'] == sum(map(len, found))
    assert speed['programs'] == 3
    assert speed['frames_per_second'] >= speed['frames_per_second_with_decode']
  for one, other in zip(*files, strict=True):
    np.testing.assert_allclose(one, other, atol=1e-3)


def test_a_hidden_benchmark_gets_an_archive(sequences, tmp_path, capsys):
  root = tmp_path / 'GOT-10k'
  for number, sequence in enumerate(run.sequences(FOLDER, sequences), 1):
    folder = root / 'test' / f'GOT-10k_Test_{number:06d}'
    shutil.copytree(sequence.frame_paths[0].parent, folder)
    (folder / 'groundtruth.txt').write_text('5,6,7,8\n')
  benchmark = benchmarks.get('got10k_test')
  found = run.sequences(benchmark, root)
  chosen = {'ours': methods.baseline('first_box')}
  run.evaluate(chosen, benchmark, root, found, tmp_path)
  path = tmp_path / 'got10k_test' / 'ours.zip'
  told = capsys.readouterr().out
  assert f'{path}: 2 sequences; 178 are missing' in told
  name = 'GOT-10k_Test_000002'
  with zipfile.ZipFile(path) as archive:
    assert f'{name}/{name}_time.txt' in archive.namelist()
    rows = archive.read(f'{name}/{name}_001.txt').decode().splitlines()
  assert rows[0] == '5.000,6.000,7.000,8.000'
  with pytest.raises(
    ValueError, match=r'GOT-10k_Test_000003_001\.txt is missing'
  ):
    archives.check(path, benchmark)


def test_names_choose_sequences(sequences):
  found = run.sequences(FOLDER, sequences, ['synthetic-0001'])
  assert [sequence.name for sequence in found] == ['synthetic-0001']
