"""Training sets of annotated objects, masks and crops, with special cases."""

import json

import cv2
import numpy as np
import pytest
from PIL import Image

from acm_jax.datasets import trees
from data_pipelines.builders import dummy_data
from tests.datasets.dummy_sets import boxes, read

COCO = 'annotations/instances_train2017.json'
CROP = 'crop511/a/v1/000003.00.x.jpg'


def test_imagenet_det_makes_a_track_of_every_object(write_set):
  tracks = read('imagenet_det', write_set('imagenet_det'))
  assert len(tracks) == 3
  assert boxes(tracks['ILSVRC2013_train/n01/n01_1.1']) == [[10, 8, 20, 20]]


def test_crowds_of_coco_are_not_visible(write_set):
  tracks = read('coco', write_set('coco'))
  visible = [track.visible.tolist() for track in tracks.values()]
  assert visible == [[True], [False], [True], [True]]
  assert tracks['000000000001.jpg.11'].reason == 'crowd'
  assert boxes(tracks['000000000001.jpg.10']) == [[4.5, 5.25, 16, 10]]


def test_tracks_of_coco_have_the_names_of_classes(write_set):
  tracks = read('coco', write_set('coco')).values()
  assert [track.category for track in tracks] == ['cat', 'dog', 'cat', 'cat']


def test_still_images_are_read_without_warnings(write_set, caplog):
  root = write_set('coco')
  images = sorted((root / 'train2017').glob('*.jpg'))
  turned = Image.open(images[0])
  turned.getexif()[0x112] = 6
  turned.save(images[0], exif=turned.getexif())
  for path in images[1:]:
    deep = np.uint16([[0, 9], [999, 2000]])
    path.write_bytes(cv2.imencode('.png', deep)[1].tobytes())
  for track in read('coco', root).values():
    track.image(0)
  assert not caplog.records


@pytest.mark.parametrize('text', ['{', '{"images": []}'])
def test_coco_refuses_other_json(write_set, text):
  root = write_set('coco')
  (root / COCO).write_text(text)
  with pytest.raises(ValueError, match=r'2017.json: not in the format of COCO'):
    read('coco', root)


@pytest.mark.parametrize('part', ['images', 'annotations'])
def test_coco_refuses_duplicates(write_set, part):
  path = write_set('coco') / COCO
  content = json.loads(path.read_text())
  content[part].append(content[part][0])
  path.write_text(json.dumps(content))
  with pytest.raises(ValueError, match='duplicate'):
    read('coco', path.parents[1])


@pytest.mark.parametrize('box', [[1, 2, 3], [1, 2, 3, 'x'], None])
def test_a_bad_box_of_coco_is_named(write_set, box):
  path = write_set('coco') / COCO
  content = json.loads(path.read_text())
  content['annotations'][1]['bbox'] = box
  path.write_text(json.dumps(content))
  with pytest.raises(ValueError, match=r'2017.json: .*annotation 1: '):
    read('coco', path.parents[1])


def test_davis_makes_a_track_of_every_object_of_both_editions(write_set):
  tracks = read('davis', write_set('davis'))
  assert list(tracks) == ['one.255', 'two.1', 'two.2']
  assert boxes(tracks['one.255']) == [[6, 4, 20, 10]] * 2
  assert boxes(tracks['two.1'])[0] == [3, 2, 6, 8]
  assert boxes(tracks['two.2'])[0] == [20, 12, 20, 8]
  assert tracks['two.2'].visible.tolist() == [True, False]


def test_davis_matches_masks_and_images_by_number(write_set):
  root = write_set('davis')
  masks = sorted((root / 'Annotations' / '480p' / 'two').glob('*.png'))
  before = read('davis', root)['two.1']
  masks[0].unlink()
  track = read('davis', root)['two.1']
  assert np.isnan(track.box_xywh[0]).all()
  np.testing.assert_array_equal(track.box_xywh[1], before.box_xywh[1])
  masks[1].rename(masks[1].with_name('00009.png'))
  with pytest.raises(ValueError, match=r'00009.png: this mask has no image'):
    read('davis', root)


def test_crop511_keeps_the_images_and_accepts_both_forms_of_a_row(write_set):
  tracks = read('crop511', write_set('crop511'))
  track = tracks['a/v1.00']
  assert track.frame_number.tolist() == [0, 3]
  first, second = boxes(track)
  assert first == second
  # A box of 40 x 20 px has a context of 30 px: scale 127 / sqrt(70 * 50).
  np.testing.assert_allclose(first[2:], np.array([40, 20]) * 2.14669, rtol=1e-5)
  assert track.cropped
  assert track.image(0) == dummy_data.image(1, (511, 511))
  assert tracks['a/v1.01'].visible.tolist() == [False]


def test_crop511_refuses_a_duplicate_video(write_set):
  root = write_set('crop511')
  path = next(root.rglob('train.json'))
  path.write_text('{"a/v1": {}, "b": {}, "a/v1": {}}')
  with pytest.raises(ValueError, match=r"train\.json: duplicate key 'a/v1'"):
    read('crop511', root)


@pytest.mark.parametrize(
  ('targets', 'message'),
  [
    ([], 'a/v1 must be a JSON object with an entry per target'),
    ({'00': 3}, 'a/v1 00 must be a JSON object with an entry per frame'),
    ({'00': {'000000': [1, 2, 3]}}, 'a/v1 00 000000: 3 values, not 2 or 4'),
    ({'00': {'000000': [1, 'x']}}, r"000000: \[1, 'x'\] contains a value that"),
  ],
)
def test_a_bad_row_of_crop511_is_named(write_set, targets, message):
  root = write_set('crop511')
  path = next(root.rglob('train.json'))
  path.write_text(json.dumps({'a/v1': targets}))
  with pytest.raises(ValueError, match=f'train.json: .*{message}'):
    read('crop511', root)


def test_a_crop_of_another_size_is_named(write_set):
  root = write_set('crop511')
  (root / CROP).write_bytes(dummy_data.image(0))
  with pytest.raises(ValueError, match=r'00.x.jpg: has 48x32 px, not 511'):
    read('crop511', root)['a/v1.00'].image(1)


def test_a_crop_is_read_once(write_set, monkeypatch):
  track = read('crop511', write_set('crop511'))['a/v1.00']
  names, read_file = [], trees.Folder.read
  monkeypatch.setattr(
    trees.Folder,
    'read',
    lambda tree, name: names.append(name) or read_file(tree, name),
  )
  track.image(1)
  assert names == [track.files[1]]


def test_bytes_after_the_end_of_a_crop_are_dropped(write_set):
  root = write_set('crop511')
  track = read('crop511', root)['a/v1.00']
  whole = track.image(1)
  (root / CROP).write_bytes(whole + b'\n\0')
  assert track.image(1) == whole


def test_a_crop_without_an_end_marker_is_completed(write_set):
  root = write_set('crop511')
  track = read('crop511', root)['a/v1.00']
  whole = track.image(1)
  (root / CROP).write_bytes(whole[:-2])
  assert track.image(1) == whole


def test_a_crop_that_is_no_jpeg_is_named(write_set):
  root = write_set('crop511')
  blank = np.zeros((511, 511, 3), np.uint8)
  (root / CROP).write_bytes(cv2.imencode('.png', blank)[1].tobytes())
  with pytest.raises(ValueError, match=r'000003.00.x.jpg: not a JPEG'):
    read('crop511', root)['a/v1.00'].image(1)
