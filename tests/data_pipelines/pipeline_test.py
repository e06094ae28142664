"""Batches: two sources, one meaning; resumable; bad input named."""

import builtins
import itertools
import multiprocessing
import shutil

import numpy as np
import pytest

from data_pipelines import batch, host_tensorflow, pipeline
from data_pipelines.clip_set import ClipSet

SOURCES = ['records', 'memory']


def take(folder, count=2, **changes):
  settings = {
    'batch_size': 6,
    'template_room': 137,
    'search_room': 201,
    'seed': 3,
  }
  sets = [{'path': folder, 'weight': 1.0, 'gap': 5}]
  batches = pipeline.train_batches(sets, **{**settings, **changes})
  taken = list(itertools.islice(batches, count))
  batches.close()
  return taken


def assert_same(first, second):
  for a, b in zip(first, second, strict=True):
    for field, x, y in zip(a._fields, a, b, strict=True):
      np.testing.assert_array_equal(x, y, err_msg=field)


@pytest.mark.parametrize('source', SOURCES)
def test_batches_keep_the_contract(clip_folder, source):
  (made,) = take(clip_folder, 1, source=source)
  expected = batch.fake(6, 137, 201)
  for a, b in zip(made, expected, strict=True):
    assert (a.shape, a.dtype) == (b.shape, b.dtype)
  np.testing.assert_array_equal(made.template_box[:, :2], 68)
  np.testing.assert_array_equal(made.search_box[:, :2], 100)


def test_both_sources_give_the_same_pairs(clip_folder):
  records = take(clip_folder, source='records')
  memory = take(clip_folder, source='memory')
  for a, b in zip(records, memory, strict=True):
    for x, y in zip(a[2:], b[2:], strict=True):
      np.testing.assert_array_equal(x, y)
    for x, y in zip(a[:2], b[:2], strict=True):
      # Two decoders round differently, mostly in the reduced chroma.
      assert abs(x.astype(float) - y).mean() < 3


@pytest.mark.parametrize('source', SOURCES)
def test_a_resumed_run_reads_the_same_batches(clip_folder, source):
  straight = take(clip_folder, 4, source=source)
  resumed = take(clip_folder, 2, source=source, first_step=2)
  assert_same(straight[2:], resumed)
  assert (straight[0].search != straight[1].search).any()


@pytest.mark.parametrize('source', SOURCES)
def test_processes_read_the_parts_of_one_batch(clip_folder, source):
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


# Fewer than the tasks of a batch, and more.
@pytest.mark.parametrize('workers', [1, 3])
def test_workers_give_the_batches_of_threads(clip_folder, workers):
  settings = {'source': 'memory', 'first_step': 1, 'batch_size': 7}
  threads = take(clip_folder, 5, **settings)
  assert_same(threads, take(clip_folder, 5, workers=workers, **settings))
  assert not multiprocessing.active_children()


def test_batches_do_not_change_while_workers_go_on(clip_folder):
  first = take(clip_folder, 1, source='memory')
  # As many as there are slots, and one that is read into the first's.
  assert_same(first, take(clip_folder, 4, source='memory', workers=1)[:1])


def test_a_killed_worker_is_a_failure_that_says_what_to_do(clip_folder):
  batches = pipeline.train_batches(
    [{'path': clip_folder, 'gap': 5}],
    batch_size=4,
    template_room=137,
    search_room=201,
    seed=3,
    source='memory',
    workers=1,
  )
  next(batches)
  (worker,) = multiprocessing.active_children()
  worker.kill()
  with pytest.raises(RuntimeError, match=r'died, .* fewer workers'):
    # More than were read ahead.
    list(itertools.islice(batches, 4))
  assert not multiprocessing.active_children()


def test_a_box_lies_where_its_clip_says(clip_folder):
  clip_set = ClipSet(clip_folder)
  (made,) = take(clip_folder, 1, source='memory', template_room=136)
  track = made.sample_id[0, 1]
  first = clip_set.track_first[track]
  sizes = clip_set.box[first : first + clip_set.track_count[track], 2:]
  assert (sizes == made.template_box[0, 2:]).all(axis=1).any()
  # An even room has the crop's centre half a pixel beside its own.
  np.testing.assert_array_equal(made.template_box[:, :2], 68)


def test_two_sets_are_mixed(clip_folder):
  sets = [{'path': clip_folder}, pipeline.DataSet(clip_folder, weight=3.0)]
  batches = pipeline.train_batches(
    sets,
    batch_size=60,
    template_room=31,
    search_room=63,
    seed=0,
    source='memory',
  )
  assert 30 < next(batches).sample_id[:, 0].sum() < 57
  batches.close()


def test_memory_needs_no_tensorflow(clip_folder, monkeypatch):
  real = builtins.__import__

  def refuse(name, *args, **kwargs):
    if name.startswith('tensorflow'):
      raise ImportError(name)
    return real(name, *args, **kwargs)

  monkeypatch.setattr(builtins, '__import__', refuse)
  assert len(take(clip_folder, source='memory')) == 2
  with pytest.raises(RuntimeError, match='TensorFlow is missing: pip install'):
    take(clip_folder, source='records')


@pytest.mark.parametrize('source', SOURCES)
def test_a_truncated_jpeg_is_named_and_nothing_else(
  clip_folder, tmp_path, source, capfd
):
  folder = shutil.copytree(clip_folder, tmp_path / 'cut')
  shard = next(folder.glob('*.tfrecord'))
  data = bytearray(shard.read_bytes())
  # Zeros from the middle of the first JPEG on: every frame is hit.
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
    ({'search_room': 257}, r'crops of 255 px are smaller than the 257 px'),
    ({'batch_size': 0}, r'batch_size=0'),
    ({'process_count': 4}, r'multiple of the 4 processes'),
    ({'workers': 2}, r'workers=2: .* for source=memory, or 0'),
    ({'workers': -1, 'source': 'memory'}, r'workers=-1'),
    ({'source': 'disk'}, r"source='disk': one of records, memory"),
    ({'negative': 2.0}, r'negative=2'),
    ({'same_category': -0.1}, r'same_category=-0.1'),
  ],
  ids=[
    'room',
    'batch',
    'processes',
    'threads',
    'workers',
    'source',
    'negative',
    'class',
  ],
)
def test_a_bad_argument_is_refused(clip_folder, changes, message):
  with pytest.raises(ValueError, match=message):
    take(clip_folder, **changes)


@pytest.mark.parametrize(
  ('source', 'workers'), [('records', 0), ('memory', 0), ('memory', 1)]
)
def test_a_jpeg_that_is_damaged_inside_is_named(
  clip_folder, tmp_path, source, workers
):
  copy = shutil.copytree(clip_folder, tmp_path / 'set')
  made = ClipSet(copy)
  shard = copy / 'clips-00000.tfrecord'
  data = bytearray(shard.read_bytes())
  for frame in range(len(made.frame_number)):
    begin = data.index(made.jpeg(frame))
    # The lengths of the segments behind the first two bytes.
    data[begin + 2 : begin + 60] = b'\xff' * 58
  shard.write_bytes(data)
  with pytest.raises(
    ValueError, match=r'set: JPEG of track \d+ \(.*\), frame \d+, is trunc'
  ):
    take(copy, source=source, workers=workers)
  assert not multiprocessing.active_children()


@pytest.mark.parametrize('source', SOURCES)
def test_a_set_that_is_far_away_gives_the_same_batches(
  clip_folder, bucket, source
):
  shutil.copytree(clip_folder, bucket / 'set')
  far = take('s3://bucket/set', source=source)
  assert_same(far, take(clip_folder, source=source))


def test_frames_that_are_further_apart_than_a_gap_are_refused(
  clip_folder, tmp_path
):
  copy = shutil.copytree(clip_folder, tmp_path / 'set')
  manifest = copy / 'manifest.json'
  manifest.write_text(
    manifest.read_text().replace('"stride": 1', '"stride": 6')
  )
  with pytest.raises(
    ValueError, match='a gap of 5, but its frames are 6 apart'
  ):
    take(copy)


def test_pairs_an_epoch_and_shares_are_not_mixed(clip_folder):
  sets = [{'path': clip_folder, 'num_use': 9}, {'path': clip_folder}]
  with pytest.raises(ValueError, match='some have num_use, others a weight'):
    pipeline.train_batches(
      sets, batch_size=2, template_room=137, search_room=201, seed=0
    )


def test_a_missing_set_is_named(tmp_path):
  with pytest.raises(FileNotFoundError, match='no clip set'):
    take(tmp_path)
  with pytest.raises(ValueError, match='no data sets'):
    pipeline.train_batches(
      [], batch_size=1, template_room=1, search_room=1, seed=0
    )
