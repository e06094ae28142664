"""Clip sets: the geometry of crops, random access, what is dropped."""

import json

import cv2
import numpy as np
import pytest

from acm_jax.geometry import context
from data_pipelines import clips, host_tensorflow
from data_pipelines.clip_set import ClipSet


def decoded(clip_set, frame):
  data = np.frombuffer(clip_set.jpeg(frame), np.uint8)
  return cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def track(boxes, visible=None, name='a'):
  boxes = np.array(boxes, np.float32)
  visible = np.ones(len(boxes), bool) if visible is None else visible
  image = np.full((60, 80, 3), 90, np.uint8)
  numbers = 10 * np.arange(len(boxes))
  return clips.Track(name, boxes, np.array(visible), numbers, lambda i: image)


def test_a_marker_at_the_target_lands_at_the_centre_of_the_crop():
  image = np.zeros((200, 300, 3), np.uint8)
  image[80:101, 120:151] = 255
  crop, box = clips.clip_crop(image, np.array([120, 80, 31, 21.0]), 255)
  ys, xs = np.nonzero(crop[..., 0] > 127)
  assert crop.shape == (255, 255, 3)
  # Half a crop pixel: where the edge of the marker is rounded.
  np.testing.assert_allclose([xs.mean(), ys.mean()], 127, atol=0.5)
  np.testing.assert_array_equal(box[:2], 127)
  extent = [np.ptp(xs) + 1, np.ptp(ys) + 1]
  # Interpolation of an edge spreads it over a source pixel, 2.5 px here.
  np.testing.assert_allclose(extent, box[2:], atol=2.6)


def test_the_template_crop_has_127_px_whatever_the_crop_size():
  box = np.array([10, 10, 40, 20.0])
  image = np.zeros((50, 60, 3), np.uint8)
  for crop_size in (255, 511):
    _, inside = clips.clip_crop(image, box, crop_size)
    side = context.context_side(*inside[2:])
    np.testing.assert_allclose(side, 127, rtol=1e-6)


def test_outside_the_image_is_its_mean_colour():
  image = np.zeros((40, 40, 3), np.uint8)
  image[:20] = [200, 100, 50]
  crop, _ = clips.clip_crop(image, np.array([0, 0, 20, 20.0]))
  np.testing.assert_array_equal(crop[0, 0], [100, 50, 25])


def test_a_clip_set_gives_back_frames_boxes_and_numbers(tmp_path):
  made = [track([[5, 5, 20, 10]] * 3), track([[9, 9, 8, 8]] * 2, name='b')]
  manifest = clips.write(made, tmp_path / 'set', crop_size=255)
  clip_set = ClipSet(tmp_path / 'set')
  assert (manifest['tracks'], manifest['frames']) == (2, 5)
  assert clip_set.track_first.tolist() == [0, 3]
  assert clip_set.track_count.tolist() == [3, 2]
  assert clip_set.track_name.tolist() == ['a', 'b']
  assert clip_set.frame_number.tolist() == [0, 10, 20, 0, 10]
  assert decoded(clip_set, 4).shape == (255, 255, 3)
  _, box = clips.clip_crop(made[1].read(0), made[1].box_xywh[0], 255)
  np.testing.assert_array_equal(clip_set.box[4], box)


def test_records_hold_what_the_index_points_at(clip_folder, monkeypatch):
  tf = host_tensorflow.load()
  clip_set = ClipSet(clip_folder)
  shards = [str(path) for path in sorted(clip_folder.glob('*.tfrecord'))]
  jpegs, numbers = [], []
  for record in tf.data.TFRecordDataset(shards).as_numpy_iterator():
    features = tf.train.Example.FromString(record).features.feature
    jpegs += features['jpeg'].bytes_list.value
    numbers += features['frame_number'].int64_list.value
  assert jpegs == [clip_set.jpeg(i) for i in range(len(jpegs))]
  assert numbers == clip_set.frame_number.tolist()


def test_several_shards_read_like_one(tmp_path, monkeypatch):
  made = [track([[5, 5, 20, 10]], name=str(i)) for i in range(3)]
  clips.write(made, tmp_path / 'one', crop_size=127)
  monkeypatch.setattr(clips, '_SHARD_BYTES', 1)
  clips.write(made, tmp_path / 'three', crop_size=127)
  one, three = ClipSet(tmp_path / 'one'), ClipSet(tmp_path / 'three', True)
  assert len(list((tmp_path / 'three').glob('*.tfrecord'))) == 3
  assert [one.jpeg(i) for i in range(3)] == [three.jpeg(i) for i in range(3)]


def test_absent_and_degenerate_frames_are_dropped_and_counted(tmp_path):
  box = [5, 5, 20, 10]
  made = track([box, box, [5, 5, 0.5, 10], [np.nan] * 4], [1, 0, 1, 1])
  manifest = clips.write(
    [made._replace(visible=made.visible > 0)], tmp_path / 's'
  )
  assert manifest['dropped'] == {'absent': 1, 'degenerate': 2}
  assert ClipSet(tmp_path / 's').frame_number.tolist() == [0]


def test_a_set_without_frames_is_refused_and_not_left(tmp_path):
  hidden = track([[5, 5, 20, 10]], np.array([False]))
  with pytest.raises(ValueError, match='no track has a frame'):
    clips.write([hidden], tmp_path / 'set')
  assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_the_old_set(tmp_path):
  clips.write([track([[5, 5, 20, 10]])], tmp_path / 'set', crop_size=127)

  def failing():
    yield track([[5, 5, 20, 10]])
    raise ValueError('frame.jpg: cannot be decoded')

  with pytest.raises(ValueError, match=r'frame.jpg'):
    clips.write(failing(), tmp_path / 'set', replace=True)
  with pytest.raises(ValueError, match='is there already'):
    clips.write([], tmp_path / 'set')
  assert [path.name for path in tmp_path.iterdir()] == ['set']
  assert ClipSet(tmp_path / 'set').crop_size == 127


@pytest.mark.parametrize('in_memory', [False, True], ids=['disk', 'memory'])
def test_a_truncated_shard_names_set_track_and_frame(tmp_path, in_memory):
  made = [track([[5, 5, 20, 10]] * 2), track([[9, 9, 8, 8]] * 2, name='b')]
  clips.write(made, tmp_path / 'set')
  shard = next((tmp_path / 'set').glob('*.tfrecord'))
  shard.write_bytes(shard.read_bytes()[:-200])
  clip_set = ClipSet(tmp_path / 'set', in_memory)
  clip_set.jpeg(2)
  with pytest.raises(ValueError, match=r'set: .* track 1 \(b\), frame 10, is'):
    clip_set.jpeg(3)


@pytest.mark.parametrize(
  ('text', 'error', 'message'),
  [
    (None, FileNotFoundError, 'no clip set'),
    ('{"version": 0}', ValueError, 'version 0, not 2; write'),
    ('{', ValueError, r'manifest.json: not JSON'),
  ],
  ids=['missing', 'older', 'half'],
)
def test_a_folder_that_is_no_clip_set_is_refused(
  tmp_path, text, error, message
):
  if text is not None:
    (tmp_path / 'manifest.json').write_text(text)
  with pytest.raises(error, match=message):
    ClipSet(tmp_path)


def test_the_manifest_is_json_with_settings(clip_folder):
  manifest = json.loads((clip_folder / 'manifest.json').read_text())
  assert manifest['settings']['synthetic']['sequences'] == 4
  assert manifest['crop_size'] == 255
