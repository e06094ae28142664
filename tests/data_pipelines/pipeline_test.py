"""Batches: the sources agree, runs resume, and errors name the culprit."""

import builtins
import itertools
import multiprocessing
import shutil

import numpy as np
import pytest

from data_pipelines import batch, host_tensorflow, pipeline, synthetic_set
from data_pipelines.clip_set import ClipSet
from data_pipelines.mixture import DataSet, Mixture, Sides
from tests.data_pipelines.same_pairs import assert_same_pairs

SOURCES = ['records', 'memory']


def train_batches(sets, **changes):
  settings = {
    'batch_size': 6,
    'template_side': 137,
    'search_side': 201,
    'seed': 3,
  }
  return pipeline.train_batches(sets, **{**settings, **changes})


def take(folder, count=2, **changes):
  """Returns the first batches of a folder."""
  batches = train_batches([{'path': folder, 'gap': 5}], **changes)
  taken = list(itertools.islice(batches, count))
  batches.close()
  return taken


def assert_same(first, second):
  """Asserts that two lists of batches are equal."""
  for a, b in zip(first, second, strict=True):
    for field, x, y in zip(a._fields, a, b, strict=True):
      np.testing.assert_array_equal(x, y, err_msg=field)


@pytest.mark.parametrize('source', SOURCES)
def test_batches_have_the_shapes_and_types_of_the_contract(clip_folder, source):
  (taken,) = take(clip_folder, 1, source=source)
  expected = batch.fake(6, 137, 201)
  for a, b in zip(taken, expected, strict=True):
    assert (a.shape, a.dtype) == (b.shape, b.dtype)
  np.testing.assert_array_equal(taken.template_box[:, :2], 68)
  np.testing.assert_array_equal(taken.search_box[:, :2], 100)


def test_both_sources_give_the_same_pairs(clip_folder):
  records = take(clip_folder, source='records')
  memory = take(clip_folder, source='memory')
  assert_same_pairs(records, memory)


@pytest.mark.parametrize('source', SOURCES)
def test_a_resumed_run_reads_the_same_batches(clip_folder, source):
  straight = take(clip_folder, 4, source=source)
  resumed = take(clip_folder, 2, source=source, first_step=2)
  assert_same(straight[2:], resumed)
  assert (straight[0].search != straight[1].search).any()


@pytest.mark.parametrize('source', SOURCES)
def test_processes_read_disjoint_parts_of_one_batch(clip_folder, source):
  whole = take(clip_folder, source=source)
  parts = [
    take(clip_folder, source=source, process_index=i, process_count=3)
    for i in range(3)
  ]
  joined = [
    batch.RawBatch(*map(np.concatenate, zip(*step, strict=True)))
    for step in zip(*parts, strict=True)
  ]
  assert_same(whole, joined)


# One worker is fewer, and three are more, than the tasks of a batch. With more
# batches than slots, slots are filled again while first batches are compared.
@pytest.mark.parametrize('workers', [1, 3])
def test_workers_give_the_batches_of_threads(clip_folder, workers):
  settings = {'source': 'memory', 'first_step': 1, 'batch_size': 7}
  threads = take(clip_folder, 5, **settings)
  assert_same(threads, take(clip_folder, 5, workers=workers, **settings))
  assert not multiprocessing.active_children()


def test_the_error_for_a_killed_worker_suggests_fewer_workers(clip_folder):
  batches = train_batches(
    [{'path': clip_folder, 'gap': 5}], source='memory', workers=1
  )
  next(batches)
  (worker,) = multiprocessing.active_children()
  worker.kill()
  with pytest.raises(RuntimeError, match=r'died, .* fewer workers'):
    # More batches than are read ahead.
    list(itertools.islice(batches, 4))
  assert not multiprocessing.active_children()


def test_a_box_has_its_size_in_the_clip_and_is_centred(clip_folder):
  clip_set = ClipSet(clip_folder)
  (taken,) = take(clip_folder, 1, source='memory', template_side=136)
  track = taken.sample_id[0, 1]
  first = clip_set.track_first[track]
  sizes = clip_set.box[first : first + clip_set.track_count[track], 2:]
  assert (sizes == taken.template_box[0, 2:]).all(axis=1).any()
  # The centre of an image of even side is half a pixel off the crop's centre.
  np.testing.assert_array_equal(taken.template_box[:, :2], 68)


def test_sets_are_mixed_by_their_weights(clip_folder):
  sets = [{'path': clip_folder}, pipeline.DataSet(clip_folder, weight=3.0)]
  batches = train_batches(
    sets, batch_size=60, template_side=31, search_side=63, source='memory'
  )
  # The mean is 45; the bounds are more than three standard deviations away.
  assert 30 < next(batches).sample_id[:, 0].sum() < 57
  batches.close()


def test_the_expected_size_of_a_crop_is_the_mean_over_the_mixture(
  clip_folder, tmp_path
):
  other = synthetic_set.ensure(
    tmp_path / 'set',
    sequences=2,
    frames=3,
    size=(120, 160),
    seed=6,
    crop_size=127,
  )
  sets = [DataSet(clip_folder), DataSet(other, weight=3.0)]
  mixture = Mixture(sets, Sides(31, 63), 0, 0.0, 0.0, 'none')
  sizes = [
    [len(clips.jpeg(frame)) for frame in range(len(clips.box))]
    for clips in (ClipSet(clip_folder), ClipSet(other))
  ]
  small, large = map(np.mean, reversed(sizes))
  assert mixture.crop_bytes == pytest.approx((large + 3 * small) / 4)
  assert mixture.stored_bytes == pytest.approx(sum(map(sum, sizes)))


def test_only_records_need_tensorflow(clip_folder, monkeypatch):
  real = builtins.__import__

  def refuse(name, *args, **kwargs):
    if name.startswith('tensorflow'):
      raise ImportError(name)
    return real(name, *args, **kwargs)

  monkeypatch.setattr(builtins, '__import__', refuse)
  assert len(take(clip_folder, source='memory')) == 2
  with pytest.raises(
    RuntimeError, match='TensorFlow is not installed: run pip'
  ):
    take(clip_folder, source='records')


@pytest.mark.parametrize('source', SOURCES)
def test_a_truncated_jpeg_is_named_without_a_traceback(
  clip_folder, tmp_path, source, capfd
):
  folder = shutil.copytree(clip_folder, tmp_path / 'cut')
  shard = next(folder.glob('*.tfrecord'))
  data = bytearray(shard.read_bytes())
  # Zeros from the middle of the first JPEG on damage every frame.
  data[len(data) // 100 :] = bytes(len(data) - len(data) // 100)
  shard.write_bytes(data)
  if source == 'records':
    host_tensorflow.load()
  capfd.readouterr()
  with pytest.raises(ValueError, match=r'cut: JPEG of track \d .*, frame \d'):
    take(folder, source=source)
  assert 'Traceback' not in capfd.readouterr().err


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'search_side': 257}, r'crops of 255 px are smaller than the 257 px'),
    ({'batch_size': 0}, r'`batch_size`=0'),
    ({'process_count': 4}, r'multiple of the number of processes, 4'),
    ({'workers': 2}, r'`workers`=2: must not be .* must be 0 unless `source`'),
    ({'workers': -1, 'source': 'memory'}, r'`workers`=-1'),
    ({'source': 'disk'}, r"`source`='disk': must be one of records, memory"),
    ({'negative': 2.0}, r'`negative`=2'),
    ({'same_category': -0.1}, r'`same_category`=-0.1'),
  ],
  ids=[
    'search side',
    'batch size',
    'processes',
    'workers of records',
    'negative workers',
    'source',
    'negative',
    'same category',
  ],
)
def test_a_bad_argument_is_refused(clip_folder, changes, message):
  with pytest.raises(ValueError, match=message):
    take(clip_folder, **changes)


@pytest.mark.parametrize(
  ('source', 'workers'), [('records', 0), ('memory', 0), ('memory', 1)]
)
def test_a_jpeg_with_a_damaged_header_is_named(
  clip_folder, tmp_path, source, workers
):
  copy = shutil.copytree(clip_folder, tmp_path / 'set')
  clips = ClipSet(copy)
  shard = copy / 'clips-00000.tfrecord'
  data = bytearray(shard.read_bytes())
  for frame in range(len(clips.frame_number)):
    begin = data.index(clips.jpeg(frame))
    # Overwrites the segments after the first two bytes, which mark a JPEG.
    data[begin + 2 : begin + 60] = b'\xff' * 58
  shard.write_bytes(data)
  with pytest.raises(
    ValueError, match=r'set: JPEG of track \d+ \(.*\), frame \d+, is trunc'
  ):
    take(copy, source=source, workers=workers)
  assert not multiprocessing.active_children()


@pytest.mark.parametrize('source', SOURCES)
def test_a_remote_set_gives_the_same_batches(clip_folder, bucket, source):
  shutil.copytree(clip_folder, bucket / 'set')
  remote = take('s3://bucket/set', source=source)
  assert_same(remote, take(clip_folder, source=source))


def test_a_stride_larger_than_the_gap_is_refused(clip_folder, tmp_path):
  copy = shutil.copytree(clip_folder, tmp_path / 'set')
  manifest = copy / 'manifest.json'
  manifest.write_text(
    manifest.read_text().replace('"stride": 1', '"stride": 6')
  )
  with pytest.raises(
    ValueError, match='frames are 6 apart, more than the gap of 5'
  ):
    take(copy)


def test_num_use_and_weights_cannot_be_mixed(clip_folder):
  sets = [{'path': clip_folder, 'num_use': 9}, {'path': clip_folder}]
  with pytest.raises(ValueError, match='some have num_use, others a weight'):
    train_batches(sets)


def test_a_missing_set_is_named(tmp_path):
  with pytest.raises(FileNotFoundError, match=f'{tmp_path}: not a clip set'):
    train_batches([{'path': tmp_path}])
  with pytest.raises(ValueError, match='`sets` is empty'):
    train_batches([])


def test_a_single_crop_equals_that_of_a_decoded_pair(clip_folder):
  sides = Sides(137, 201)
  sets = [{'path': clip_folder, 'gap': 5}]
  mixture = Mixture(sets, sides, 0, 0.2, 0.0, 'none')
  sample, pair = mixture.decode(7), mixture.pairs[7]
  for frame, side, image, box in (
    (pair.template, sides.template, sample.template, sample.template_box),
    (pair.search, sides.search, sample.search, sample.search_box),
  ):
    actual_image, actual_box = mixture.crop(frame, side)
    np.testing.assert_array_equal(actual_image, image)
    np.testing.assert_array_equal(actual_box, box)
