"""Reading of annotation files and frames, and errors for malformed files."""

from pathlib import Path

import numpy as np
import pytest

from acm_jax.datasets import sequences


@pytest.mark.parametrize(
  'text',
  [
    '1,2,3,4\n5,6,7,8\n',
    '1\t2\t3\t4\n5\t6\t7\t8',
    '1 2  3 4\n5, 6, 7, 8\n\n',
    '1,2,3,4,\r\n5,6,7,8 ,\r\n',
    '\ufeff1 2 3 4 \r5\t6\t7\t8\t\r',
  ],
  ids=['comma', 'tab', 'space', 'comma at the end', 'mark and old Mac'],
)
def test_every_delimiter_is_accepted(tmp_path, text):
  file = tmp_path / 'groundtruth.txt'
  file.write_bytes(text.encode('utf-8'))
  boxes = sequences.read_boxes(file, first_pixel=1)
  np.testing.assert_array_equal(boxes, [[0, 1, 3, 4], [4, 5, 7, 8]])


@pytest.mark.parametrize(
  ('text', 'message'),
  [
    ('1,2,3,4\n1,2,3\n', r'groundtruth.txt row 2: 3 values, not 4'),
    ('1,2,3,4,5\n', r'groundtruth.txt row 1: 5 values, not 4'),
    ('1,2,3,4\n\n1,2,3,4', r'groundtruth.txt row 2: is empty; give each'),
    ('1;2;3;4\n', r'groundtruth.txt row 1: contains semicolons; give each'),
    ('1,2,,4\n', r"groundtruth.txt row 1: '1,2,,4' contains a value"),
    ('1,2,3,four\n', r"groundtruth.txt row 1: '1,2,3,four' contains a value"),
    ('', r'groundtruth.txt: contains no boxes'),
  ],
  ids=['short', 'long', 'empty row', 'semicolons', 'gap', 'word', 'empty file'],
)
def test_a_bad_row_is_named(tmp_path, text, message):
  file = tmp_path / 'groundtruth.txt'
  file.write_text(text)
  with pytest.raises(ValueError, match=message):
    sequences.read_boxes(file)


def test_a_missing_annotation_is_named(tmp_path):
  with pytest.raises(FileNotFoundError, match=r'gt.txt: no such annotation'):
    sequences.read_boxes(tmp_path / 'gt.txt')


def test_nan_empty_and_absent_boxes_are_not_visible():
  boxes = np.array(
    [[1, 2, 3, 4], [np.nan] * 4, [1, 2, 0, 4], [1, 2, 3, 4]], np.float32
  )
  absent = np.array([0, 0, 0, 1])
  paths = [Path(f'{i}.jpg') for i in range(6)]
  sequence = sequences.make('a', paths, boxes, Path('gt.txt'), absent)
  assert sequence.visible.tolist() == [True, False, False, False]
  assert len(sequence) == 4


def test_fewer_frames_than_rows_are_refused():
  with pytest.raises(ValueError, match=r'gt.txt: 2 rows, .* a has only 1'):
    sequences.make('a', [Path('1.jpg')], np.ones((2, 4)), Path('gt.txt'))


def test_another_number_of_absence_labels_is_refused():
  with pytest.raises(ValueError, match=r'gt.txt: 1 rows, but 2 absence labels'):
    sequences.make(
      'a', [Path('1.jpg')], np.ones((1, 4)), Path('gt.txt'), np.zeros(2)
    )
