"""Clip sets: random access, dropped frames and damaged files."""

import json
import shutil

import cv2
import numpy as np
import pytest

from acm_jax.datasets import crops
from acm_jax.datasets.track import Track
from acm_jax.host.staging import FullDiskError
from data_pipelines import clip_set as clip_sets
from data_pipelines import clip_writer, host_tensorflow
from data_pipelines.clip_set import ClipSet
from data_pipelines.clips import Cut


def decoded(clip_set, frame):
  data = np.frombuffer(clip_set.jpeg(frame), np.uint8)
  return cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def track(boxes, visible=None, name='a'):
  boxes = np.array(boxes, np.float32)
  visible = np.ones(len(boxes), bool) if visible is None else visible
  image = np.full((60, 80, 3), 90, np.uint8)
  numbers = 10 * np.arange(len(boxes))
  return Track(name, boxes, np.array(visible), numbers, lambda i: image)


def test_a_clip_set_returns_the_written_frames_boxes_and_numbers(tmp_path):
  tracks = [track([[5, 5, 20, 10]] * 3), track([[9, 9, 8, 8]] * 2, name='b')]
  tracks[1] = tracks[1]._replace(category='zebra')
  manifest = clip_writer.write(tracks, tmp_path / 'set', cut=Cut(crop_size=255))
  clip_set = ClipSet(tmp_path / 'set')
  assert (manifest['tracks'], manifest['frames']) == (2, 5)
  assert clip_set.track_first.tolist() == [0, 3]
  assert clip_set.track_count.tolist() == [3, 2]
  assert clip_set.track_name.tolist() == ['a', 'b']
  assert clip_set.track_category.tolist() == ['', 'zebra']
  assert clip_set.frame_number.tolist() == [0, 10, 20, 0, 10]
  assert decoded(clip_set, 4).shape == (255, 255, 3)
  _, box = crops.context_crop(tracks[1].image(0), tracks[1].box_xywh[0], 255)
  np.testing.assert_array_equal(clip_set.box[4], box)


def test_the_index_points_at_the_jpegs_in_the_records(clip_folder):
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
  tracks = [track([[5, 5, 20, 10]], name=str(i)) for i in range(3)]
  clip_writer.write(tracks, tmp_path / 'one', cut=Cut(crop_size=127))
  monkeypatch.setattr(clip_writer, '_TRACKS_PER_SHARD', 1)
  clip_writer.write(tracks, tmp_path / 'three', cut=Cut(crop_size=127))
  one, three = ClipSet(tmp_path / 'one'), ClipSet(tmp_path / 'three', True)
  assert len(list((tmp_path / 'three').glob('*.tfrecord'))) == 3
  assert [one.jpeg(i) for i in range(3)] == [three.jpeg(i) for i in range(3)]


def test_absent_and_degenerate_frames_are_dropped_and_counted(tmp_path):
  box = [5, 5, 20, 10]
  visible = np.array([True, False, True, True])
  boxes = [box, box, [5, 5, 0.5, 10], [np.nan] * 4]
  manifest = clip_writer.write([track(boxes, visible)], tmp_path / 's')
  assert manifest['dropped'] == {'absent': 1, 'degenerate': 2}
  assert ClipSet(tmp_path / 's').frame_number.tolist() == [0]


def test_a_set_without_frames_is_refused_and_leaves_no_folder(tmp_path):
  hidden = track([[5, 5, 20, 10]], np.array([False]))
  message = 'no track has a frame to write: left out: 1 absent; check the annot'
  with pytest.raises(ValueError, match=message):
    clip_writer.write([hidden], tmp_path / 'set')
  assert not list(tmp_path.iterdir())


def test_a_failed_write_keeps_the_old_set(tmp_path):
  clip_writer.write(
    [track([[5, 5, 20, 10]])], tmp_path / 'set', cut=Cut(crop_size=127)
  )

  def failing():
    yield track([[5, 5, 20, 10]])
    raise ValueError('frame.jpg: cannot be decoded')

  with pytest.raises(ValueError, match=r'frame.jpg'):
    clip_writer.write(failing(), tmp_path / 'set', replace=True)
  with pytest.raises(ValueError, match='already exists'):
    clip_writer.write([], tmp_path / 'set')
  assert [path.name for path in tmp_path.iterdir()] == ['set']
  assert ClipSet(tmp_path / 'set').crop_size == 127


@pytest.fixture(scope='module')
def written(tmp_path_factory):
  """Folder of a clip set with two tracks of two frames."""
  tracks = [track([[5, 5, 20, 10]] * 2), track([[9, 9, 8, 8]] * 2, name='b')]
  folder = tmp_path_factory.mktemp('written') / 'set'
  clip_writer.write(tracks, folder, cut=Cut(crop_size=127))
  return folder


@pytest.fixture
def two_tracks(written, tmp_path):
  """Copy of the clip set that a test may damage."""
  return shutil.copytree(written, tmp_path / 'set')


@pytest.mark.parametrize(
  'name', ['clips-00000.tfrecord', 'index/box.npy', 'index/offset.npy']
)
@pytest.mark.parametrize('fraction', [0.0, 0.5, 0.99], ids=str)
def test_a_truncated_file_is_named_when_the_set_is_opened(
  two_tracks, name, fraction
):
  file = two_tracks / name
  file.write_bytes(file.read_bytes()[: int(fraction * file.stat().st_size)])
  with pytest.raises(ValueError, match=f'{name}: has .* bytes, but .* write'):
    ClipSet(two_tracks)


def test_a_missing_file_is_named_when_the_set_is_opened(two_tracks):
  (two_tracks / 'clips-00000.tfrecord').unlink()
  with pytest.raises(FileNotFoundError, match=r'clips-00000.tfrecord: missing'):
    ClipSet(two_tracks)


@pytest.mark.parametrize('in_memory', [False, True], ids=['disk', 'memory'])
def test_a_damaged_jpeg_is_named_by_set_track_and_frame(two_tracks, in_memory):
  shard = two_tracks / 'clips-00000.tfrecord'
  last = ClipSet(two_tracks).jpeg(3)
  data = bytearray(shard.read_bytes())
  end = data.rindex(last) + len(last)
  data[end - 100 : end] = bytes(100)
  shard.write_bytes(data)
  clip_set = ClipSet(two_tracks, in_memory)
  clip_set.jpeg(0)
  with pytest.raises(ValueError, match=r'set: .* track 1 \(b\), frame 10, is'):
    clip_set.jpeg(3)


def test_a_remote_clip_set_reads_like_a_local_one(written, bucket):
  shutil.copytree(written, bucket / 'set')
  local, remote = ClipSet(written), ClipSet('s3://bucket/set')
  assert isinstance(local.box.base, np.memmap)
  assert not isinstance(remote.box.base, np.memmap)
  np.testing.assert_array_equal(local.box, remote.box)
  jpegs = [local.jpeg(i) for i in range(4)]
  assert [remote.jpeg(i) for i in range(4)] == jpegs
  clip_sets.verify('s3://bucket/set')
  in_memory = ClipSet('s3://bucket/set', in_memory=True)
  shutil.rmtree(bucket / 'set')
  assert [in_memory.jpeg(i) for i in range(4)] == jpegs
  with pytest.raises(FileNotFoundError, match='s3://bucket/set: not a clip'):
    ClipSet('s3://bucket/set')


def test_videos_are_numbered_across_shards(tmp_path, monkeypatch):
  monkeypatch.setattr(clip_writer, '_TRACKS_PER_SHARD', 2)
  names = [('a', 'v'), ('b', 'v'), ('c', ''), ('d', 'w')]
  tracks = [
    track([[5, 5, 20, 10]], name=name)._replace(video=video)
    for name, video in names
  ]
  clip_writer.write(tracks, tmp_path / 'set', cut=Cut(crop_size=127))
  assert ClipSet(tmp_path / 'set').track_video.tolist() == [0, 0, 1, 2]


def test_verify_names_a_changed_file(two_tracks):
  clip_sets.verify(two_tracks)
  shard = two_tracks / 'clips-00000.tfrecord'
  data = bytearray(shard.read_bytes())
  data[len(data) // 2] ^= 1
  shard.write_bytes(data)
  with pytest.raises(ValueError, match=r'clips-00000.tfrecord: damaged'):
    clip_sets.verify(two_tracks)


@pytest.mark.parametrize(
  ('text', 'error', 'message'),
  [
    (None, FileNotFoundError, 'not a clip set'),
    (
      '{"version": 0}',
      ValueError,
      'format version 0, but .* version 4; write',
    ),
    ('{', ValueError, r'manifest.json: not JSON'),
  ],
  ids=['missing', 'older', 'half'],
)
def test_a_folder_that_is_not_a_clip_set_is_refused(
  tmp_path, text, error, message
):
  if text is not None:
    (tmp_path / 'manifest.json').write_text(text)
  with pytest.raises(error, match=message):
    ClipSet(tmp_path)


def test_the_manifest_holds_the_settings_as_json(clip_folder):
  manifest = json.loads((clip_folder / 'manifest.json').read_text())
  assert manifest['settings']['synthetic']['sequences'] == 4
  assert manifest['crop_size'] == 255


@pytest.mark.parametrize(
  ('size', 'name'),
  [
    (300, 'clips-00000.tfrecord'),
    (10_000, 'part-00000.npz'),
    (25_000, 'index/track_name.npy'),
  ],
)
def test_a_full_disk_names_the_file_and_leaves_nothing(
  tmp_path, limit_file_size, monkeypatch, size, name
):
  # Long names need more room in the index than the images do in the shards.
  tracks = [track([[5, 5, 20, 10]], name=letter * 4000) for letter in 'ab']
  monkeypatch.setattr(clip_writer, '_TRACKS_PER_SHARD', 1)
  with limit_file_size(size), pytest.raises(FullDiskError) as caught:
    clip_writer.write(tracks, tmp_path / 'set', cut=Cut(crop_size=64))
  assert caught.value.filename == str(tmp_path / 'set' / name)
  assert not list(tmp_path.iterdir())


def test_an_origin_is_a_video_of_a_source(tmp_path):
  box = [[5, 5, 20, 10]]
  video = [track(box, name=f'v/{i}')._replace(video='v') for i in range(2)]
  tracks, lone = [*video, track(box, name='w')], [track(box, name='w')]

  def origins(name, tracks, **settings):
    cut = Cut(crop_size=255)
    clip_writer.write(tracks, tmp_path / name, cut=cut, settings=settings)
    return ClipSet(tmp_path / name).origins().tolist()

  davis = origins('davis', tracks, davis={'source': 'DAVIS'})
  assert davis == ['davis:DAVIS/v/0', 'davis:DAVIS/v/0', 'davis:DAVIS/w']
  assert origins('part', lone, davis={'source': 'DAVIS'}) == davis[2:]
  assert origins('other', lone, folder={'source': 'mine'}) != davis[2:]
  # The source is unknown, so that the videos are those of this set alone.
  assert origins('unknown', lone) == [f'{tmp_path / "unknown"}/w']
