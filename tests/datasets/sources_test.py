"""Every set's official layout, special cases included, in one normal form."""

import json
import shutil

import cv2
import numpy as np
import pytest

from acm_jax.datasets import sources, trees
from data_pipelines.builders import dummy_data

WRITERS = {write.__name__: write for write in dummy_data.SETS}


@pytest.fixture
def root(request, tmp_path):
  """The dummy files of the set that a test's name begins with."""
  name = request.node.name.removeprefix('test_').partition('__')[0]
  WRITERS[name](tmp_path)
  return tmp_path


def read(name, root):
  """Tracks of a set by name."""
  tree, source = trees.open_tree(root), sources.make(name)
  found = {}
  for unit in source.units(tree):
    for track in source.tracks(tree, unit):
      assert track.name not in found
      found[track.name] = track
  return found


def boxes(track):
  return track.box_xywh.tolist()


def test_every_set_has_a_reader_and_dummy_files():
  assert sorted(WRITERS) == sources.names()


@pytest.mark.parametrize('name', WRITERS)
def test_a_readers_docstring_shows_the_layout(name):
  assert '    ' in sources.described(name)


@pytest.mark.parametrize('name', WRITERS)
def test_the_files_of_the_repository_are_what_the_script_writes(tmp_path, name):
  folder = dummy_data.Path(dummy_data.__file__).parent / name / 'dummy_data'
  WRITERS[name](tmp_path)
  written = {p.relative_to(tmp_path): p for p in tmp_path.rglob('*.*')}
  kept = {p.relative_to(folder): p for p in folder.rglob('*.*')}
  assert written.keys() == kept.keys()
  for path in written:
    # Another version of OpenCV may code a picture in other bytes.
    if path.suffix not in ('.jpg', '.JPEG', '.png', '.zip'):
      assert written[path].read_bytes() == kept[path].read_bytes(), path


@pytest.mark.parametrize('name', [n for n in WRITERS if n != 'trackingnet'])
def test_a_packed_set_is_read_like_an_unpacked_one(tmp_path, name):
  WRITERS[name](tmp_path / 'files')
  packed = shutil.make_archive(str(tmp_path / 'all'), 'zip', tmp_path / 'files')
  plain, zipped = read(name, tmp_path / 'files'), read(name, packed)
  assert plain.keys() == zipped.keys()
  for key, track in plain.items():
    np.testing.assert_array_equal(track.box_xywh, zipped[key].box_xywh)
    np.testing.assert_array_equal(track.image(0), zipped[key].image(0))


@pytest.mark.parametrize('name', WRITERS)
def test_an_empty_folder_is_refused(tmp_path, name):
  with pytest.raises(FileNotFoundError, match=str(tmp_path)):
    read(name, tmp_path)


def test_got10k__counts_from_one_and_drops_absent_and_covered(root):
  first, second = read('got10k', root).values()
  assert first.name == 'GOT-10k_Train_000001'
  assert boxes(first)[0] == [4.5, 5.25, 12, 9]
  assert first.visible.tolist() == [True] * 3
  assert second.visible.tolist() == [True, False, True]
  expected = cv2.imdecode(np.frombuffer(dummy_data.image(2), np.uint8), 1)
  np.testing.assert_array_equal(first.image(1), expected[..., ::-1])


def test_got10k__names_missing_marks(root):
  (root / 'train' / 'GOT-10k_Train_000002' / 'cover.label').write_text('8\n')
  with pytest.raises(ValueError, match=r'cover.label: 1 marks for 3 boxes'):
    read('got10k', root)


def test_got10k__refuses_a_name_that_is_there_twice(root):
  shutil.copytree(root / 'train', root / 'again')
  with pytest.raises(ValueError, match='of that name is also'):
    read('got10k', root)


@pytest.mark.parametrize(
  ('rows', 'message'),
  [
    ('1,2,3\n', 'row 1: 3 values, not 4'),
    ('1,2,3,4\n1,2,3,4,5\n', 'row 2: 5 values, not 4'),
    ('1,2,3,x\n', "row 1: '1,2,3,x' is not all numbers"),
    ('', 'no boxes in it'),
    ('1,2,3,4\n' * 9, '9 rows, but .* has only 2 frames'),
  ],
  ids=['short', 'long', 'letters', 'empty', 'more'],
)
def test_folder__names_file_and_row_of_a_bad_annotation(root, rows, message):
  (root / 'a' / 'groundtruth.txt').write_text(rows)
  with pytest.raises(ValueError, match=f'a/groundtruth.txt.*{message}'):
    read('folder', root)


def test_folder__names_a_missing_annotation(root):
  (root / 'b' / 'groundtruth.txt').unlink()
  with pytest.raises(FileNotFoundError, match=r'b/groundtruth.txt: no such'):
    read('folder', root)


@pytest.mark.parametrize('content', [b'', b'\xff\xd8torn'], ids=['0', 'torn'])
def test_folder__names_an_unreadable_image(root, content):
  (root / 'a' / 'img' / '0002.jpg').write_bytes(content)
  track = read('folder', root)['a']
  with pytest.raises(ValueError, match=r'a/img/0002.jpg: cannot be decoded'):
    track.image(1)


def test_folder__takes_commas_tabs_spaces_and_marks(root):
  found = read('folder', root)
  assert (
    boxes(found['a']) == boxes(found['b']) == [[3, 4, 10, 8], [4, 4, 10, 8]]
  )
  assert found['a'].visible.tolist() == [True, True]
  assert found['b'].visible.tolist() == [True, False]


def test_lasot__leaves_out_the_test_set_and_images_to_spare(root):
  found = read('lasot', root)
  assert list(found) == ['airplane-2', 'monkey-1']
  for track in found.values():
    assert boxes(track)[0] == [2, 3, 10, 8]
    assert track.visible.tolist() == [True, False, False]
    assert len(track.files) == 3


@pytest.mark.parametrize(
  ('name', 'image', 'missing'),
  [
    ('lasot', 'monkey/monkey-1/img/00000002.jpg', 2),
    ('got10k', 'train/GOT-10k_Train_000001/00000001.jpg', 1),
    ('trackingnet', 'TRAIN_0/frames/aB-c_0/0.jpg', 0),
  ],
)
def test_a_row_is_never_taken_for_another_image(tmp_path, name, image, missing):
  WRITERS[name](tmp_path)
  folder = (tmp_path / image).parent
  (tmp_path / image).unlink()
  # As many images as before, but for the one.
  (folder / '99999999.jpg').write_bytes(dummy_data.image(0))
  with pytest.raises(
    ValueError, match=f'has no image {missing}, which its row'
  ):
    read(name, tmp_path)


def test_folder__keeps_numbers_that_skip_what_is_not_annotated(root):
  (root / 'a' / 'img' / '0002.jpg').rename(root / 'a' / 'img' / '0009.jpg')
  assert read('folder', root)['a'].frame_number.tolist() == [1, 9]
  (root / 'a' / 'img' / '0010.jpg').write_bytes(dummy_data.image(0))
  with pytest.raises(ValueError, match='a has no image 2, which its row'):
    read('folder', root)


def test_folder__counts_images_without_a_row(root):
  (root / 'a' / 'img' / '0003.jpg').write_bytes(dummy_data.image(0))
  assert read('folder', root)['a'].spare == 1


def test_davis__pairs_masks_with_images_by_number(root):
  masks = sorted((root / 'Annotations' / '480p' / 'two').glob('*.png'))
  before = read('davis', root)['two.1']
  masks[0].unlink()
  track = read('davis', root)['two.1']
  assert np.isnan(track.box_xywh[0]).all()
  np.testing.assert_array_equal(track.box_xywh[1], before.box_xywh[1])
  masks[1].rename(masks[1].with_name('00009.png'))
  with pytest.raises(ValueError, match=r'00009.png: no image of that number'):
    read('davis', root)


def test_imagenet_vid__keeps_the_rows_of_missing_images(root):
  image = next(root.rglob('000001.JPEG'))
  image.unlink()
  track = next(iter(read('imagenet_vid', root).values()))
  assert track.frame_number.tolist() == [0, 1, 2]
  with pytest.raises(FileNotFoundError, match=r'000001.JPEG: no such file'):
    track.image(1)


def test_lasot__leaves_out_lasot_ext(root):
  (root / 'airplane' / 'airplane-2').rename(root / 'airplane' / 'atv-1')
  assert list(read('lasot', root)) == ['monkey-1']


def test_trackingnet__has_no_video_of_another_file(root):
  (root / 'TRAIN_0' / 'anno' / '.DS_Store').write_bytes(b'x')
  assert list(read('trackingnet', root)) == ['aB-c_0', '-x_1']


def test_coco__refuses_what_is_there_twice(root):
  path = root / 'annotations' / 'instances_train2017.json'
  content = json.loads(path.read_text())
  for part in ('images', 'annotations'):
    twice = {**content, part: [*content[part], content[part][0]]}
    path.write_text(json.dumps(twice))
    with pytest.raises(ValueError, match='is there twice'):
      read('coco', root)


def test_crop511__refuses_a_video_that_is_there_twice(root):
  path = next(root.rglob('train.json'))
  path.write_text('{"a/v1": {}, "b": {}, "a/v1": {}}')
  with pytest.raises(ValueError, match=r"train\.json: 'a/v1' is there twice"):
    read('crop511', root)


def test_crop511__gives_a_jpeg_and_nothing_behind_it(root):
  path = root / 'crop511' / 'a/v1' / '000003.00.x.jpg'
  track = read('crop511', root)['a/v1.00']
  whole = track.image(1)
  path.write_bytes(whole + b'\n\0')
  assert track.image(1) == whole
  blank = np.zeros((511, 511, 3), np.uint8)
  path.write_bytes(cv2.imencode('.png', blank)[1].tobytes())
  with pytest.raises(ValueError, match=r'000003.00.x.jpg: not a JPEG'):
    track.image(1)


def test_lasot__has_a_class_with_a_capital_letter(root):
  (root / 'airplane').rename(root / 'rubicCube')
  for number in (1, 2):
    old = root / 'rubicCube' / f'airplane-{number}'
    old.rename(root / 'rubicCube' / f'rubicCube-{number}')
  assert list(read('lasot', root)) == ['monkey-1', 'rubicCube-2']


def test_trackingnet__sorts_by_number_and_opens_packed_videos(root):
  found = read('trackingnet', root)
  numbers = [file.rpartition('/')[2] for file in found['aB-c_0'].files]
  assert numbers == [f'{i}.jpg' for i in range(11)]
  assert boxes(found['aB-c_0'])[10] == [12, 3, 8.5, 7.5]
  expected = cv2.imdecode(np.frombuffer(dummy_data.image(1), np.uint8), 1)
  np.testing.assert_array_equal(found['-x_1'].image(1), expected[..., ::-1])


def test_imagenet_vid__makes_a_track_of_every_target(root):
  video = 'ILSVRC2015_VID_train_0000/ILSVRC2015_train_00000000'
  found = read('imagenet_vid', root)
  assert list(found) == [f'{video}.0', f'{video}.1']
  assert boxes(found[f'{video}.0']) == [[4, 5, 16, 10]] * 3
  assert found[f'{video}.1'].frame_number.tolist() == [0, 2]
  assert found[f'{video}.1'].files[1].endswith('000002.JPEG')


def test_imagenet_vid__names_a_broken_annotation(root):
  notes = next(root.rglob('000001.xml'))
  notes.write_text('<annotation><object></object></annotation>')
  with pytest.raises(ValueError, match=r'000001.xml: object 0 has no box'):
    read('imagenet_vid', root)
  notes.write_text('<annotation>')
  with pytest.raises(ValueError, match=r'000001.xml: not XML'):
    read('imagenet_vid', root)


def test_imagenet_det__makes_a_track_of_every_object(root):
  found = read('imagenet_det', root)
  assert len(found) == 3
  assert boxes(found['ILSVRC2013_train/n01/n01_1.1']) == [[10, 8, 20, 20]]


def test_coco__marks_crowds(root):
  found = read('coco', root)
  assert [t.visible.tolist() for t in found.values()] == [
    [True],
    [False],
    [True],
    [True],
  ]
  crowd = found['000000000001.jpg.11']
  assert crowd.reason == 'crowd'
  assert boxes(found['000000000001.jpg.10']) == [[4.5, 5.25, 16, 10]]


def test_coco__names_classes(root):
  found = read('coco', root)
  assert [t.category for t in found.values()] == ['cat', 'dog', 'cat', 'cat']


def test_coco__refuses_another_json(root):
  path = root / 'annotations' / 'instances_train2017.json'
  for text in ('{', json.dumps({'images': []})):
    path.write_text(text)
    with pytest.raises(ValueError, match=r'2017.json: not the annotations'):
      read('coco', root)


@pytest.mark.parametrize('box', [[1, 2, 3], [1, 2, 3, 'x'], None])
def test_coco__names_a_bad_box(root, box):
  path = root / 'annotations' / 'instances_train2017.json'
  content = json.loads(path.read_text())
  content['annotations'][1]['bbox'] = box
  path.write_text(json.dumps(content))
  with pytest.raises(ValueError, match=r'2017.json: .*annotation 1: '):
    read('coco', root)


def test_youtube_bb__does_without_images_that_cannot_be_read(root):
  images = sorted(root.rglob('v1_a-_*.jpg'))
  (before,) = read('youtube_bb', root).values()
  images[0].write_bytes(b'')
  (track,) = read('youtube_bb', root).values()
  assert boxes(track) == boxes(before)
  with pytest.raises(ValueError, match=r'_0_3_0.jpg: cannot be decoded'):
    track.image(0)
  for image in images:
    image.write_bytes(b'')
  (track,) = read('youtube_bb', root).values()
  with pytest.raises(ValueError, match='cannot be decoded'):
    track.image(2)


def test_youtube_bb__scales_boxes_and_leaves_out_what_has_vanished(root):
  (track,) = read('youtube_bb', root).values()
  assert track.name == '3/v1_a-.0'
  assert track.frame_number.tolist() == [0, 1, 10]
  assert track.visible.tolist() == [True, False, True]
  # 48 x 32 px; edges are xmin, xmax, ymin, ymax.
  np.testing.assert_allclose(boxes(track)[0], [4.8, 8, 19.2, 16], rtol=1e-6)


@pytest.mark.parametrize(
  ('row', 'message'),
  [
    ('v,0,3,cat,0,present,0.1,0.5,0.2', 'row 1: 9 values, not 10'),
    ('v,x,3,cat,0,present,0.1,0.5,0.2,0.7', 'row 1: invalid literal'),
    ('v,0,3,cat,0,present,0.1,1.5,0.2,0.7', 'row 1: edges .* are no parts'),
    ('v,0,3,cat,0,present,nan,0.5,0.2,0.7', 'row 1: edges .* are no parts'),
  ],
)
def test_youtube_bb__names_a_bad_row(root, row, message):
  (root / 'yt_bb_detection_train.csv').write_text(row + '\n')
  with pytest.raises(ValueError, match=message):
    read('youtube_bb', root)


def test_davis__takes_every_object_of_both_editions(root):
  found = read('davis', root)
  assert list(found) == ['one.255', 'two.1', 'two.2']
  assert boxes(found['one.255']) == [[6, 4, 20, 10]] * 2
  assert boxes(found['two.1'])[0] == [3, 2, 6, 8]
  assert boxes(found['two.2'])[0] == [20, 12, 20, 8]
  assert found['two.2'].visible.tolist() == [True, False]


def test_crop511__keeps_the_images_and_takes_both_forms_of_a_row(root):
  found = read('crop511', root)
  track = found['a/v1.00']
  assert track.frame_number.tolist() == [0, 3]
  first, second = boxes(track)
  assert first == second
  # 40 x 20 px with half the sum round it: 127 / sqrt(70 * 50) px a pixel.
  np.testing.assert_allclose(first[2:], np.array([40, 20]) * 2.14669, rtol=1e-5)
  assert track.cropped
  assert track.image(0) == dummy_data.image(1, (511, 511))
  assert found['a/v1.01'].visible.tolist() == [False]


@pytest.mark.parametrize(
  ('targets', 'message'),
  [
    ([], 'a/v1 is no table of targets'),
    ({'00': 3}, 'a/v1 00 is no table of frames'),
    ({'00': {'000000': [1, 2, 3]}}, 'a/v1 00 000000: 3 values, not 2 or 4'),
    ({'00': {'000000': [1, 'x']}}, r"000000: \[1, 'x'\] is not all numbers"),
  ],
)
def test_crop511__names_a_bad_row(root, targets, message):
  path = next(root.rglob('train.json'))
  path.write_text(json.dumps({'a/v1': targets}))
  with pytest.raises(ValueError, match=f'train.json: .*{message}'):
    read('crop511', root)


def test_crop511__names_a_crop_of_another_size(root):
  path = root / 'crop511' / 'a/v1' / '000003.00.x.jpg'
  path.write_bytes(dummy_data.image(0))
  with pytest.raises(ValueError, match=r'00.x.jpg: 48x32, not a crop of 511'):
    read('crop511', root)['a/v1.00'].image(1)


def test_davis_and_folder_read_real_video(real_data):
  found = read('davis', real_data / 'sequences' / 'DAVIS')
  assert len(found) >= 20
  assert all(len(track.files) > 20 for track in found.values())
