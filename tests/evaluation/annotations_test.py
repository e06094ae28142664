"""Ground truth from JSON files, text files and official folders."""

import json

import cv2
import numpy as np
import pytest

from acm_jax.evaluation import annotations, benchmarks

BOXES = [[1, 2, 3, 4], [5.5, 6, 7, 8]]


def read(benchmark, path):
  return annotations.read(benchmarks.get(benchmark), path)


def write_json(path, sequences):
  """Writes a JSON file with the entry of each sequence; returns the path."""
  path.write_text(json.dumps(sequences))
  return path


def write_texts(folder, texts):
  """Creates a folder with a text file for each sequence."""
  folder.mkdir()
  for name, text in texts.items():
    (folder / f'{name}.txt').write_text(text)


def test_a_json_of_pysot_is_read_by_its_path_and_by_its_folder(tmp_path):
  entry = {'img_names': ['a/1.jpg', 'a/2.jpg'], 'gt_rect': BOXES}
  path = write_json(tmp_path / 'set.json', {'a': entry})
  for source in (path, tmp_path):
    truth = read('folder', source)
    np.testing.assert_array_equal(truth['a'].box_xywh, BOXES)
    assert not truth['a'].absent.any()


def test_a_json_of_dasiamrpn_gets_the_official_names(tmp_path):
  path = write_json(
    tmp_path / 'set.json',
    {
      'jogging_1': {'name': 'Jogging', 'image_files': [], 'gt_rect': BOXES},
      'carDark': {'name': 'CarDark', 'image_files': [], 'gt_rect': BOXES},
    },
  )
  assert list(read('otb100', path)) == ['Jogging-1', 'CarDark']


@pytest.mark.parametrize('encoding', ['utf-8-sig', 'utf-16'])
def test_a_json_may_begin_with_a_byte_order_mark(tmp_path, encoding):
  content = json.dumps({'Größe': {'gt_rect': BOXES}}, ensure_ascii=False)
  (tmp_path / 'set.json').write_text(content, encoding=encoding)
  assert list(read('folder', tmp_path)) == ['Größe']


def test_hidden_jsons_are_left_out(tmp_path):
  write_json(tmp_path / 'a.json', {'a': {'gt_rect': BOXES}})
  (tmp_path / '._a.json').write_bytes(b'\0\5\x16\7')
  assert list(read('folder', tmp_path)) == ['a']


def test_absent_in_a_json_of_pysot_is_1_if_the_target_is_present(tmp_path):
  entry = {'gt_rect': BOXES, 'absent': [1, 0]}
  path = write_json(tmp_path / 'set.json', {'airplane-1': entry})
  truth = read('lasot', path)
  np.testing.assert_array_equal(truth['airplane-1'].absent, [False, True])


def test_a_box_in_a_json_may_be_nan(tmp_path):
  content = '{"bike1": {"gt_rect": [[1,2,3,4],[NaN,NaN,NaN,NaN]]}}'
  (tmp_path / 'a.json').write_text(content)
  assert np.isnan(read('uav123', tmp_path)['bike1'].box_xywh[1]).all()


@pytest.mark.parametrize('labels', ['0\n1\n', '0,1'], ids=['rows', 'line'])
def test_a_folder_of_text_files_has_boxes_and_absence_labels(tmp_path, labels):
  boxes = '1,2,3,4\nNaN,NaN,NaN,NaN\n'
  write_texts(tmp_path / 'annotations', {'a': boxes})
  write_texts(tmp_path / 'absent', {'a': labels})
  truth = read('tinytlp', tmp_path)['a']
  np.testing.assert_array_equal(truth.box_xywh, [BOXES[0], [np.nan] * 4])
  np.testing.assert_array_equal(truth.absent, [False, True])
  # UAV123 does not label absence, so the file of labels is ignored.
  for folder in (tmp_path / 'annotations', tmp_path / 'absent'):
    (folder / 'a.txt').rename(folder / 'bike1.txt')
  assert not read('uav123_10fps', tmp_path)['bike1'].absent.any()


def test_a_box_without_area_is_not_a_label_of_absence(tmp_path):
  folder = tmp_path / 'official' / 'airplane' / 'airplane-1'
  (folder / 'img').mkdir(parents=True)
  for number in (1, 2, 3):
    image = np.zeros((8, 8, 3), np.uint8)
    cv2.imwrite(str(folder / 'img' / f'{number:08d}.jpg'), image)
  boxes = '1,2,3,4\n0,0,0,0\n1,2,3,4\n'
  (folder / 'groundtruth.txt').write_text(boxes)
  (folder / 'full_occlusion.txt').write_text('0,0,1')
  (folder / 'out_of_view.txt').write_text('0,0,0')
  write_texts(tmp_path / 'annotations', {'airplane-1': boxes})
  write_texts(tmp_path / 'absent', {'airplane-1': '0\n0\n1\n'})
  for root in (tmp_path, tmp_path / 'official'):
    truth = read('lasot', root)['airplane-1']
    np.testing.assert_array_equal(truth.absent, [False, False, True])
    np.testing.assert_array_equal(truth.box_xywh[1], 0)


@pytest.mark.parametrize(
  ('benchmark', 'annotation'),
  [('otb100', 'groundtruth_rect.txt'), ('folder', 'groundtruth.txt')],
)
def test_official_folders_keep_the_pixel_base_of_their_files(
  tmp_path, benchmark, annotation
):
  images = tmp_path / 'Couple' / 'img'
  images.mkdir(parents=True)
  for i in (1, 2):
    cv2.imwrite(str(images / f'{i:04d}.jpg'), np.zeros((8, 8, 3), np.uint8))
  (images.parent / annotation).write_text('1,2,3,4\n5.5,6,7,8\n')
  truth = read(benchmark, tmp_path)
  np.testing.assert_array_equal(truth['Couple'].box_xywh, BOXES)


@pytest.mark.parametrize(
  ('content', 'message'),
  [
    ('not json', 'not a JSON'),
    ('[1, 2]', 'not a JSON object with names of sequences as keys'),
    ('{}', 'no annotations of folder'),
    ('{"a": {"init_rect": [1, 2, 3, 4]}}', 'a: gt_rect is missing'),
    ('{"a": 3}', 'a: gt_rect is missing'),
    (
      '{"a": {"gt_rect": [[1, 2, 3, 4], [1]]}}',
      r'a: gt_rect row 2 is \[1\]; give x, y, w, h',
    ),
    ('{"a": {"gt_rect": [[1,2,3,4], 5]}}', 'a: gt_rect row 2 is 5'),
    ('{"a": {"gt_rect": [[1,2,3,4,5,6,7]]}}', r'a: gt_rect row 1 is \[1, 2'),
    (
      '{"a": {"gt_rect": [[1,2,3,4]], "absent": [1, 1]}}',
      'a: 2 absence labels',
    ),
    ('{"a": {"gt_rect": [[1,2,3,null]]}}', r'a: gt_rect row 1 is .*None\]'),
    (
      '{"a": {"gt_rect": [[1,2,3,4]], "img_names": ["1", "2"]}}',
      'a: gt_rect has 1 rows, but img_names has 2',
    ),
    (
      '{"a": {"gt_rect": [[1,2,3,4]], "init_rect": [1,2,9,4]}}',
      'a: init_rect .* differs from the first row',
    ),
    ('{"a": {"gt_rect": [[1,2,3,4]], "attr": "IV"}}', 'a: attr must be a list'),
    (
      '{"a": {"gt_rect": [[1,2,3,4]], "width": "w", "height": 3}}',
      'a: width and height must be positive',
    ),
    ('{"a": {"gt_rect": [[1,2,3,4]], "width": 9}}', 'a: width and height must'),
    ('{"a": {"gt_rect": [[1,2,3,4]], "absent": [2]}}', 'a: absent must be a'),
    (
      '{"a": {"gt_rect": [[1,2,3,4]], "absent": 1}}',
      'a: absent must be a list',
    ),
    (
      '{"a": {"gt_rect": [[1,2,3,4]], "img_names": 3}}',
      'a: img_names must be a list',
    ),
    (
      '{"a": {"gt_rect": [[1,2,3,4]], "init_rect": "1,2,3,4"}}',
      "a: init_rect is '1,2,3,4'; give x, y, w, h",
    ),
    ('{"a": {"gt_rect": [[1,2,0,4]]}}', 'a row 1: the box .* have an area'),
    ('{"a": {"gt_rect": [[NaN,2,3,4]]}}', 'a row 1: the box .* must be finite'),
    ('{"a": {"gt_rect": [[1,2,3,Infinity]]}}', 'a row 1: infinite number'),
    ('{"a": {"gt_rect": [[1,2,3,4,5,6,7,8]]}}', 'a: regions are polygons'),
  ],
  ids=[
    'no_json',
    'list',
    'empty',
    'no_boxes',
    'no_entry',
    'ragged',
    'number',
    'odd',
    'labels',
    'null',
    'images',
    'first',
    'attributes',
    'size',
    'one_side',
    'label',
    'one_label',
    'one_image',
    'text',
    'no_area',
    'no_first',
    'infinite',
    'polygons',
  ],
)
def test_a_malformed_json_is_refused_with_its_name(tmp_path, content, message):
  path = tmp_path / 'set.json'
  path.write_text(content)
  with pytest.raises(ValueError, match=rf'set\.json.*{message}'):
    read('folder', path)


@pytest.mark.parametrize('form', ['json', 'texts'])
def test_lasot_is_not_scored_without_absence_labels(tmp_path, form):
  if form == 'json':
    write_json(tmp_path / 'set.json', {'airplane-1': {'gt_rect': BOXES}})
  else:
    write_texts(tmp_path / 'annotations', {'airplane-1': '1,2,3,4\n'})
  with pytest.raises(ValueError, match=r'airplane-1.*: no absence labels'):
    read('lasot', tmp_path)


def test_a_folder_of_several_jsons_is_ambiguous(tmp_path):
  for name in ('OTB50', 'OTB100'):
    write_json(tmp_path / f'{name}.json', {'Couple': {'gt_rect': BOXES}})
  with pytest.raises(ValueError, match=r'OTB100.json, OTB50.json; give the'):
    read('otb100', tmp_path)
  assert list(read('otb100', tmp_path / 'OTB100.json')) == ['Couple']


def test_a_missing_path_is_refused_with_its_name(tmp_path):
  with pytest.raises(FileNotFoundError, match=r'no\.json: no such file'):
    read('folder', tmp_path / 'no.json')


@pytest.mark.parametrize('given', ['UAV123/annotations', 'UAV123/results', '.'])
def test_a_folder_that_is_a_level_off_is_told_the_right_one(tmp_path, given):
  (tmp_path / 'UAV123' / 'results').mkdir(parents=True)
  write_texts(tmp_path / 'UAV123' / 'annotations', {'bike1': '1,2,3,4\n'})
  message = 'no annotations of uav123, but .*/UAV123 has some: give that folder'
  with pytest.raises(FileNotFoundError, match=message):
    read('uav123', tmp_path / given)


def test_a_malformed_absence_label_is_refused(tmp_path):
  write_texts(tmp_path / 'annotations', {'a': '1,2,3,4\n'})
  write_texts(tmp_path / 'absent', {'a': '2\n'})
  with pytest.raises(
    ValueError, match=r'a\.txt: absence labels must be 0 or 1'
  ):
    read('tinytlp', tmp_path)


def test_a_sequence_of_another_benchmark_is_refused(tmp_path):
  path = write_json(tmp_path / 'set.json', {'bike1': {'gt_rect': BOXES}})
  with pytest.raises(ValueError, match='bike1 is not a sequence of otb100'):
    read('otb100', path)


def test_one_sequence_under_two_names_is_refused(tmp_path):
  entry = {'gt_rect': BOXES}
  path = write_json(
    tmp_path / 'set.json', {'Jogging-1': entry, 'jogging_1': entry}
  )
  with pytest.raises(ValueError, match='two annotations of Jogging-1'):
    read('otb100', path)


def test_a_subset_of_a_benchmark_selects_its_sequences(tmp_path):
  entry = {'gt_rect': BOXES}
  sequences = {'Boy': entry, 'Toy': entry, 'Box': entry}
  path = write_json(tmp_path / 'set.json', sequences)
  assert list(read('otb2013', path)) == ['Boy']
  assert list(read('otb50', path)) == ['Box']


def test_regions_keep_their_corners_and_have_bounding_boxes(tmp_path):
  corners = [1, 0, 2, 1, 1, 2, 0, 1]
  entry = {'gt_rect': [BOXES[0], corners], 'width': 64, 'height': 48}
  sequences = {'bag': entry, 'book': {'gt_rect': BOXES}}
  truth = read('vot2018', write_json(tmp_path / 'set.json', sequences))
  assert [len(region) for region in truth['bag'].region] == [4, 8]
  assert truth['bag'].size == (64, 48)
  assert truth['book'].size is None
  boxes = truth['bag'].box_xywh
  np.testing.assert_array_equal(boxes, [BOXES[0], [0, 0, 2, 2]])


def test_regions_of_official_folders_have_the_size_of_the_images(tmp_path):
  images = tmp_path / 'bag' / 'color'
  images.mkdir(parents=True)
  cv2.imwrite(str(images / '00000001.jpg'), np.zeros((9, 7, 3), np.uint8))
  (tmp_path / 'list.txt').write_text('bag\n')
  (tmp_path / 'bag' / 'groundtruth.txt').write_text('1,0,2,1,1,2,0,1\n')
  truth = read('vot2018', tmp_path)
  assert truth['bag'].size == (7, 9)
  assert truth['bag'].region[0].tolist() == [1, 0, 2, 1, 1, 2, 0, 1]


def test_an_unknown_benchmark_lists_the_known_ones():
  with pytest.raises(ValueError, match=r"unknown benchmark 'otb'.*otb100"):
    benchmarks.get('otb')
  assert len(set(benchmarks.get('otb100').sequences)) == 100
