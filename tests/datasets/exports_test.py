"""Exported boxes are read as the tools document them, or refused in a line."""

import json
import re
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest

from acm_jax.datasets import exports
from acm_jax.datasets.exports.target import Footage, Target
from acm_jax.datasets.videos import Video

CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version>
<meta><task><name>a</name><mode>interpolation</mode></task></meta>
<track id="7" label="car" source="manual">
  <box frame="5" keyframe="1" outside="0" occluded="0" xtl="10" ytl="20.5"
    xbr="40" ybr="60.5" z_order="0"><attribute name="a">b</attribute></box>
  <box frame="4" keyframe="0" outside="0" xtl="9" ytl="20" xbr="39" ybr="60"/>
  <box frame="6" keyframe="1" outside="1" xtl="11" ytl="21" xbr="41" ybr="61"/>
</track>
<track id="8" label="sign">
  <box frame="0" outside="0" xtl="0" ytl="0" xbr="20" ybr="10"
    rotation="90.0"/>
</track>
</annotations>
"""
CVAT_BOXES = [{4: (9, 20, 30, 40), 5: (10, 20.5, 30, 40)}, {0: (5, -5, 10, 20)}]
MOT = """1,2,11,21,30,40,1,1,0.9
2,2,12,22,30,40,0,1,0.0
3,2,13,23,30,40,1,1,1
1,1,1,1,5,6,1,3,1
"""
MOT_BOXES = [{0: (10, 20, 30, 40), 2: (12, 22, 30, 40)}, {0: (0, 0, 5, 6)}]
FILES = [Path('set/img/2.jpg'), Path('set/img/3.jpg'), Path('set/img/10.jpg')]


def a_video(length=None, files=FILES):
  return Video(iter(()), 25.0, length, name='clip', files=files)


COCO = {
  'images': [
    {'id': 1, 'file_name': 'img/10.jpg'},
    {'id': 2, 'file_name': '2.jpg'},
    {'id': 9, 'file_name': 'other/2.jpg'},
  ],
  'annotations': [
    {'id': 1, 'image_id': 2, 'category_id': 3, 'bbox': [1, 2, 3, 4]},
    {'id': 2, 'image_id': 1, 'category_id': 3, 'bbox': [5, 6, 7, 8]},
    {
      'id': 3,
      'image_id': 1,
      'category_id': 3,
      'bbox': [0.5, 0, 9, 9],
      'attributes': {'occluded': False, 'track_id': 0},
    },
    {
      'id': 4,
      'image_id': 1,
      'category_id': 4,
      'bbox': [0, 0, 90, 90],
      'iscrowd': 1,
    },
    {'id': 5, 'image_id': 9, 'category_id': 4, 'bbox': [1, 1, 1, 1]},
  ],
  'categories': [{'id': 3, 'name': 'car'}, {'id': 4, 'name': 'bus'}],
}
COCO_BOXES = [{0: (1, 2, 3, 4), 2: (5, 6, 7, 8)}, {2: (0.5, 0, 9, 9)}]
# In frame 6, the tracker has lost the target.
TABLE = """frame,x,y,w,h,target,lost
5,6.5,7,8,9,1,0
6,2,3,4,5,1,1
"""
CASES = {
  'annotations.xml': (CVAT, CVAT_BOXES),
  'gt.txt': (MOT, MOT_BOXES),
  'instances_default.json': (json.dumps(COCO), COCO_BOXES),
  'boxes.csv': (TABLE, [{5: (6.5, 7, 8, 9)}]),
}


def read(folder, name, text):
  (folder / name).write_text(text)
  return [target.boxes for target in exports.read(folder / name, a_video())]


@pytest.mark.parametrize('name', CASES)
def test_the_boxes_of_every_target_are_read(tmp_path, name):
  text, expected = CASES[name]
  found = read(tmp_path, name, text)
  assert [list(boxes) for boxes in found] == [list(b) for b in expected]
  for boxes, own in zip(found, expected, strict=True):
    for frame in boxes:
      assert boxes[frame] == pytest.approx(own[frame], abs=1e-9)


@pytest.mark.parametrize(
  'inside',
  ['annotations.xml', 'gt/gt.txt', 'annotations/instances_default.json'],
)
def test_the_annotations_in_a_zip_file_are_found(tmp_path, inside):
  text, expected = CASES[inside.rpartition('/')[2]]
  with zipfile.ZipFile(tmp_path / 'task.zip', 'w') as archive:
    archive.writestr(inside, text)
    archive.writestr('gt/labels.txt', 'car\n')
    archive.writestr('images/0.png', b'')
  found = exports.read(tmp_path / 'task.zip', a_video())
  assert [list(target.boxes) for target in found] == [list(b) for b in expected]


def test_a_zip_file_with_no_or_several_annotations_is_refused(tmp_path):
  for count in (0, 2):
    with zipfile.ZipFile(tmp_path / 'task.zip', 'w') as archive:
      archive.writestr('images/0.png', b'')
      for number in range(count):
        archive.writestr(f'annotations/{number}.json', '{}')
    listed = 'none' if not count else 'annotations/0.json, annotations/1.json'
    with pytest.raises(
      ValueError, match=f'zip: must have one file .* but has {listed}; unpack'
    ):
      exports.read(tmp_path / 'task.zip', a_video())


def coco(**changes):
  return json.dumps({**COCO, **changes})


TWICE = [
  {'image_id': 2, 'category_id': 3, 'bbox': [x, 2, 3, 4]} for x in (1, 9)
]


@pytest.mark.parametrize(
  ('name', 'text', 'message'),
  [
    ('a.xml', '<annotations><track', 'a.xml: not XML (unclosed token: line 1'),
    ('a.xml', '<html></html>', 'a.xml: not in the format "CVAT for video 1.1"'),
    (
      'a.xml',
      '<annotations><image id="0" name="0.png"/></annotations>',
      'a.xml: not in the format "CVAT for video 1.1", in which boxes belong to',
    ),
    ('a.xml', '<annotations/>', 'a.xml: no boxes of tracks; give the XML of'),
    (
      'a.xml',
      CVAT.replace('xtl="9"', ''),
      "a.xml, track 0, frame 4: damaged box (KeyError('xtl')); export",
    ),
    (
      'a.xml',
      CVAT.replace('frame="5"', 'frame="4"'),
      'a.xml, track 0, frame 4: a second box of track 0 in the same frame',
    ),
    ('gt.txt', '1,2,3,4,5', 'gt.txt row 1: 5 values, not 6 or 7 or 8'),
    ('gt.txt', '1,-1,3,4,5,6,1', 'gt.txt row 1: frame 1 and id -1 must be'),
    ('gt.txt', '0,1,3,4,5,6,1', 'gt.txt row 1: frame or box is not valid (fra'),
    ('gt.txt', '1,1,nan,4,5,6,1', 'gt.txt row 1: frame or box is not valid'),
    ('gt.txt', '1,1,3,4,0,6,1', 'gt.txt row 1: frame or box is not valid'),
    ('gt.txt', MOT + MOT, 'gt.txt row 5: a second box of id 2 in the same'),
    ('gt.txt', '', 'gt.txt: no boxes of tracks; give the XML of'),
    ('a.json', '{', 'a.json: not JSON'),
    ('a.json', '[]', 'a.json: not in the format of COCO (images: '),
    (
      'a.json',
      coco(annotations=[{'image_id': 1}]),
      "a.json: not in the format of COCO (annotation 0: KeyError('category_id",
    ),
    (
      'a.json',
      coco(annotations=TWICE),
      'a.json, annotation 1: a second box of category 3 (without track_id) in '
      'the same frame; remove one of the boxes, or give the two objects diff',
    ),
    (
      'a.json',
      coco(images=[{'id': 1, 'file_name': '7.jpg'}]),
      'a.json: names none of the images of the video; give the folder of the',
    ),
    ('a.tsv', '1,2,3,4', 'a.tsv: unknown format; give the XML of "CVAT for'),
    ('a.csv', '0,1,2,3,4,5', 'a.csv row 1: has no column frame, target, x, y,'),
    ('a.csv', '', 'a.csv row 1: has no column frame, target, x, y, w, h; beg'),
    ('a.csv', TABLE + '1,2', 'a.csv row 4: give one value for each of the 7'),
    ('a.csv', TABLE.replace('6.5', '?'), "a.csv row 2: x is '?', which is not"),
    ('a.csv', TABLE.replace('5,6.5', '.5,6.5'), 'row 2: frame .5 is not a who'),
  ],
)
def test_a_malformed_export_is_refused(tmp_path, name, text, message):
  with pytest.raises(ValueError, match=re.escape(message)):
    read(tmp_path, name, text)


def test_a_missing_export_is_named(tmp_path):
  with pytest.raises(FileNotFoundError, match=r'gt\.txt: no such file'):
    exports.read(tmp_path / 'gt.txt', a_video())


def test_classes_occlusion_and_key_frames_are_read(tmp_path):
  (tmp_path / 'a.xml').write_text(
    CVAT.replace('outside="0" xtl="9"', 'outside="0" occluded="1" xtl="9"')
  )
  car, sign = exports.read(tmp_path / 'a.xml', a_video())
  assert (car.category, sign.category) == ('car', 'sign')
  assert (car.occluded, car.given, car.outside) == ({4}, {5}, {6})
  assert (sign.given, sign.outside) == ({0}, frozenset())


# Numbers with three decimals, which is the precision of the files.
TARGETS = [
  Target(
    {0: (10.5, 20.125, 30.0, 40.25), 1: (11.0, -3.5, 29.999, 7.001)},
    'car',
    frozenset({1}),
    frozenset({0, 1}),
  ),
  # Absent in frames 1 and 3, and at the end.
  Target(
    {0: (1.0, 2.0, 3.0, 4.0), 2: (0.001, 0.002, 319.0, 238.999)},
    'person & dog',
    frozenset(),
    frozenset({0, 2}),
  ),
  Target({4: (300.0, 200.0, 1.5, 1.25)}, 'car', frozenset({4}), frozenset({4})),
]
SIZES = dict.fromkeys(range(5), (240, 320))
FOLDER = Footage(
  'clip', [Path(f'clip/img/{n}.png') for n in range(5)], 5, SIZES
)
VIDEO = Footage('clip', [Path('clip.mp4')], 5, SIZES)


@pytest.mark.parametrize('name', ['annotations.xml', 'coco.json', 'gt.txt'])
@pytest.mark.parametrize('footage', [FOLDER, VIDEO], ids=['images', 'video'])
def test_targets_return_from_a_file_as_they_were(tmp_path, name, footage):
  exports.write(tmp_path / name, TARGETS, footage)
  found = exports.read(tmp_path / name, a_video(files=footage.files))
  for back, target in zip(found, TARGETS, strict=True):
    assert list(back.boxes) == list(target.boxes)
    for frame, box in target.boxes.items():
      # Sums and differences of float64 round in the last digit.
      assert back.boxes[frame] == pytest.approx(box, abs=1e-9)
    assert back.occluded == target.occluded
    assert back.given == target.given
    # MOT has numbers of classes, but no names.
    if name != 'gt.txt':
      assert back.category == target.category


def test_cvat_marks_the_frame_after_a_box_as_outside(tmp_path):
  exports.write(tmp_path / 'a.xml', TARGETS, VIDEO)
  root = ElementTree.parse(tmp_path / 'a.xml').getroot()
  marks = [
    [(int(box.get('frame')), box.get('outside')) for box in track]
    for track in root.iter('track')
  ]
  assert marks == [
    [(0, '0'), (1, '0'), (2, '1')],
    [(0, '0'), (1, '1'), (2, '0'), (3, '1')],
    # The video ends with this box.
    [(4, '0')],
  ]
  names = [label.findtext('name') for label in root.iter('label')]
  assert names == ['car', 'person & dog']


def test_coco_lists_every_frame_as_an_image(tmp_path):
  exports.write(tmp_path / 'a.json', TARGETS, VIDEO)
  content = json.loads((tmp_path / 'a.json').read_text())
  names = [image['file_name'] for image in content['images']]
  assert names == [f'frame_{n:06d}.PNG' for n in range(5)]
  assert {(i['height'], i['width']) for i in content['images']} == {(240, 320)}


def test_mot_counts_from_one(tmp_path):
  exports.write(tmp_path / 'gt.txt', TARGETS, VIDEO)
  rows = (tmp_path / 'gt.txt').read_text().splitlines()
  assert rows[0] == '1,1,11.500,21.125,30.000,40.250,1,1,1'
  assert rows[1] == '2,1,12.000,-2.500,29.999,7.001,1,1,0'
  assert rows[2] == '1,2,2.000,3.000,3.000,4.000,1,2,1'


def test_the_name_of_a_file_must_say_a_format():
  for name in ('a.csv', 'sequences'):
    with pytest.raises(ValueError, match=f'{name}: unknown format to write'):
      exports.check_suffix(Path(name))


@pytest.mark.parametrize('name', CASES)
def test_boxes_after_the_end_of_the_video_are_refused(tmp_path, name):
  text, expected = CASES[name]
  (tmp_path / name).write_text(text)
  last = max(map(max, expected))
  assert exports.read(tmp_path / name, a_video(last + 1))
  message = (
    f'{name}: has a box for frame {last}, counted from 0, but clip has {last} '
    'frames; give the video that was annotated'
  )
  with pytest.raises(ValueError, match=re.escape(message)):
    exports.read(tmp_path / name, a_video(last))


def meta(**facts):
  """Returns the file of CVAT with facts about its task."""
  entries = ''.join(f'<{k}>{v}</{k}>' for k, v in facts.items())
  return CVAT.replace('<name>a</name>', entries)


def test_the_length_and_the_size_that_cvat_states_are_read(tmp_path):
  size = '<width>320</width><height>240</height>'
  facts = {'size': 7, 'start_frame': 0, 'original_size': size}
  path = tmp_path / 'a.xml'
  path.write_text(meta(**facts))
  car, _ = exports.read(path, a_video(7))
  assert car.size_hw == dict.fromkeys((4, 5), (240, 320))
  message = 'a.xml: belongs to a video of 7 frames, but clip has 90; give the v'
  with pytest.raises(ValueError, match=re.escape(message)):
    exports.read(path, a_video(90))
  # A part of the video, and every second frame.
  for more in ({'start_frame': 2}, {'frame_filter': 'step=2'}):
    path.write_text(meta(**facts | more))
    assert exports.read(path, a_video(90))


def test_the_sizes_that_coco_states_are_read(tmp_path):
  images = [each | {'width': 64, 'height': 48} for each in COCO['images']]
  (tmp_path / 'a.json').write_text(coco(images=images))
  first, _ = exports.read(tmp_path / 'a.json', a_video())
  assert first.size_hw == {0: (48, 64), 2: (48, 64)}


def test_a_track_that_is_partly_in_other_images_is_refused(tmp_path):
  entry = {'image_id': 9, 'category_id': 3, 'bbox': [1, 1, 1, 1]}
  text = coco(annotations=[*COCO['annotations'], entry])
  message = (
    'a.json, annotation 5: the image is not a frame of the video, in which '
    'category 3 (without track_id) has other boxes; give all images as `video`'
  )
  with pytest.raises(ValueError, match=re.escape(message)):
    read(tmp_path, 'a.json', text)


@pytest.mark.parametrize('separator', [',', ', ', '\t', '  '])
def test_a_table_may_have_classes_and_columns_that_are_not_read(
  tmp_path, separator
):
  rows = (
    ('name', 'frame', 'target', 'x', 'y', 'w', 'h', 'category', 'key'),
    ('a', '2', 'left', '1', '2', '3', '4', 'horse', '1'),
    ('b', '3', 'left', '1', '2', '3', '4', 'horse', '0'),
    ('c', '3', 'right', '1', '2', '3', '4', 'rider', '1'),
  )
  text = '\n'.join(map(separator.join, rows))
  (tmp_path / 'a.csv').write_text(f'{text}\n\n')
  left, right = exports.read(tmp_path / 'a.csv', a_video())
  assert (left.category, right.category) == ('horse', 'rider')
  assert (list(left.boxes), left.given) == ([2, 3], {2})
  assert (list(right.boxes), right.given) == ([3], {3})
