"""Methods over a benchmark's sequences."""

import numpy as np
import pytest

from acm_jax.evaluation import benchmarks, run
from acm_jax.evaluation.results import read_boxes

FOLDER = benchmarks.get('folder')


def test_result_files_have_the_benchmarks_pixel_base(sequences, tmp_path):
  found = run.sequences(FOLDER, sequences)
  first_box = run.baseline('first_box')
  matlab = benchmarks.get('otb100')
  boxes = {}
  for benchmark in (FOLDER, matlab):
    folder = run.run('ours', first_box, found, benchmark, tmp_path)
    assert folder == tmp_path / benchmark.name / 'ours'
    boxes[benchmark] = read_boxes(folder / 'synthetic-0000.txt')
  moved = boxes[matlab] - boxes[FOLDER]
  np.testing.assert_allclose(moved, [[1, 1, 0, 0]] * 6, atol=1e-9)


def test_sequences_that_were_done_stay_when_one_fails(sequences, tmp_path):
  found = run.sequences(FOLDER, sequences)

  def fails(frames, box):
    if np.allclose(box, found[1].box_xywh[0]):
      raise ValueError('frame 3 is other')
    return run.baseline('first_box')(frames, box)

  with pytest.raises(ValueError, match='synthetic-0001: frame 3 is other'):
    run.run('ours', fails, found, FOLDER, tmp_path)
  files = [path.name for path in (tmp_path / 'folder' / 'ours').iterdir()]
  assert files == ['synthetic-0000.txt']


def test_names_choose_sequences(sequences):
  found = run.sequences(FOLDER, sequences, ['synthetic-0001'])
  assert [sequence.name for sequence in found] == ['synthetic-0001']
