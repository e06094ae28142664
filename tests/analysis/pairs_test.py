"""Pairs show the target at its box, and wrong templates show other targets."""

import dataclasses
import shutil

import jax
import numpy as np
import pytest

from acm_jax.analysis import pairs as reading
from acm_jax.analysis.pairs import Pairs
from data_pipelines import clip_writer, synthetic_set
from data_pipelines.clip_set import ClipSet
from data_pipelines.composed import library_writer
from data_pipelines.composed.composed_set import ComposedSet
from data_pipelines.composed.library_writer import Sources
from data_pipelines.mixture import DataSet
from data_pipelines.pairs import TRIAL_OFFSET
from tests.data_pipelines.composed import sources
from tests.data_pipelines.composed.small_set import SETTINGS


@pytest.fixture
def tracker(tiny_tracker):
  return tiny_tracker[0]


@pytest.fixture
def pairs(clips_with_classes, tracker):
  return Pairs([DataSet(clips_with_classes, gap=2)], tracker, seed=0)


def test_the_search_crop_shows_the_target_at_its_box(tmp_path, tracker):
  # The template of a track with a single frame shows the same frame.
  tracks = synthetic_set.tracks(2, 1, (120, 160), seed=2)
  clip_writer.write(tracks, tmp_path / 'still')
  pairs = Pairs([DataSet(tmp_path / 'still')], tracker, seed=0)
  reach = round(TRIAL_OFFSET * tracker.search_size)
  offsets = []
  for i in range(12):
    pair = pairs[i]
    assert pair.search.shape == (tracker.search_size,) * 2 + (3,)
    # The crops are shifted by whole pixels and are not resampled.
    x, y = pair.truth[:2].astype(int)
    np.testing.assert_array_equal(pair.truth[:2], (x, y))
    offsets.append((x, y))
    # The middle of the template, which ends inside the search crop.
    half = 32
    row, column = y + len(pair.search) // 2, x + len(pair.search) // 2
    middle = len(pair.template['right']) // 2
    np.testing.assert_array_equal(
      pair.search[row - half : row + half, column - half : column + half],
      pair.template['right'][
        middle - half : middle + half, middle - half : middle + half
      ],
    )
    np.testing.assert_array_equal(pair.truth[2:], pair.box_size['right'])
  assert reach / 2 < np.abs(offsets).max() <= reach


def test_wrong_templates_show_other_targets_of_known_classes(
  pairs, clips_with_classes
):
  clips, seen = ClipSet(clips_with_classes), set()
  for i in range(24):
    pair, name = pairs[i], pairs.name(i)
    number = clips.track_name.tolist().index(name)
    assert pair.exists['other']
    assert pair.exists['same_class'] == (clips.track_category[number] == 'cat')
    same = (pair.template['same_class'] == pair.template['right']).all()
    # A template that does not exist is replaced by the right one.
    assert same == (not pair.exists['same_class'])
    assert (pair.template['other'] != pair.template['right']).any()
    seen.add(number)
  assert len(seen) == 4


def test_batches_hold_the_pairs_in_order_and_have_one_shape(pairs):
  batches = list(reading.batches(pairs, count=7, batch_size=4))
  assert [len(batch.search) for batch in batches] == [4, 4]
  for i in range(7):
    row = jax.tree.map(lambda x, i=i: x[i % 4], batches[i // 4])
    jax.tree.map(np.testing.assert_array_equal, row, pairs[i])
  # The last pair fills up the batch.
  np.testing.assert_array_equal(batches[1].search[3], batches[1].search[2])


def test_a_seed_determines_the_pairs(clips_with_classes, tracker):
  def search(seed):
    return Pairs([DataSet(clips_with_classes, gap=2)], tracker, seed)[3].search

  np.testing.assert_array_equal(search(0), search(0))
  assert (search(0) != search(1)).any()


def test_sets_without_classes_have_no_template_of_the_same_class(
  tmp_path, tracker
):
  tracks = synthetic_set.tracks(2, 5, (120, 160), seed=2)
  clip_writer.write(tracks, tmp_path / 'plain')
  pair = Pairs([DataSet(tmp_path / 'plain')], tracker, 0)[0]
  assert sorted(pair.template) == sorted(pair.exists) == ['other', 'right']


def test_the_picture_leaves_out_the_padding(pairs):
  for i in range(8):
    pair = pairs[i]
    x1, y1, x2, y2 = (pair.picture + len(pair.search) // 2).astype(int)
    assert pair.search[y1:y2, x1:x2].std() > 10
    padding = [
      part
      for part in (pair.search[:, : max(x1 - 16, 0)], pair.search[y2 + 16 :])
      if part.size
    ]
    # JPEG changes the colour of the padding little.
    assert all(part.std(axis=(0, 1)).max() < 3 for part in padding)


def test_a_prior_adds_the_right_crop_with_the_size_of_the_other(
  clips_with_classes, tracker
):
  sets = [DataSet(clips_with_classes, gap=2)]
  plain = Pairs(sets, tracker, seed=0)[3]
  pair = Pairs(sets, tracker, seed=0, prior=True)[3]
  assert sorted(pair.template) == sorted(reading.KINDS)
  np.testing.assert_array_equal(pair.template['size'], pair.template['right'])
  np.testing.assert_array_equal(pair.box_size['size'], pair.box_size['other'])
  assert (pair.box_size['size'] != pair.box_size['right']).any()
  assert 'size' not in plain.template
  np.testing.assert_array_equal(plain.template['other'], pair.template['other'])


def test_a_video_of_two_sets_is_one_sequence(tmp_path, tracker):
  def write(name, frames):
    tracks = synthetic_set.tracks(2, frames, (120, 160), seed=2)
    settings = {'davis': {'source': 'DAVIS'}}
    clip_writer.write(tracks, tmp_path / name, settings=settings)
    return DataSet(tmp_path / name, gap=2)

  pairs = Pairs([write('short', 4), write('long', 5)], tracker, seed=0)
  numbers = {}
  for i in range(24):
    numbers.setdefault(pairs.name(i), set()).add(int(pairs[i].sequence))
  assert numbers == {'synthetic-0000': {0}, 'synthetic-0001': {1}}


def test_pairs_of_the_same_object_are_one_sequence(tmp_path, tracker):
  folder = tmp_path / 'composed'
  originals = Sources(
    sources.photographs(tmp_path / 'coco'), sources.videos(tmp_path / 'davis')
  )
  library_writer.write(folder, originals, SETTINGS)
  # The crops of the small set have 255 px.
  tracker = dataclasses.replace(tracker, search_size=127)
  pairs = Pairs([DataSet(folder, gap=3)], tracker, seed=0)
  composed = ComposedSet(folder)
  shown = dict(
    zip(composed.track_name, composed.track_objects[:, 0], strict=True)
  )
  numbers = {}
  for i in range(24):
    target = shown[pairs.name(i)]
    numbers.setdefault(target, set()).add(int(pairs[i].sequence))
  assert 1 < len(numbers) < 24
  assert all(len(each) == 1 for each in numbers.values())
  assert len(set.union(*numbers.values())) == len(numbers)


def test_sets_with_the_same_data_are_refused(
  tmp_path, tracker, clips_with_classes
):
  copy = shutil.copytree(clips_with_classes, tmp_path / 'copy')
  for other in (clips_with_classes, copy):
    with pytest.raises(ValueError, match=f'{other} hold the same data'):
      Pairs([DataSet(clips_with_classes), DataSet(other)], tracker, 0)


def test_sets_that_cannot_be_analysed_are_refused(
  tmp_path, tracker, clips_with_classes
):
  tracks = synthetic_set.tracks(1, 5, (120, 160), seed=2)
  clip_writer.write(tracks, tmp_path / 'lone')
  with pytest.raises(ValueError, match='lone: a wrong template comes from ano'):
    Pairs([DataSet(tmp_path / 'lone')], tracker, 0)
  wide = dataclasses.replace(tracker, context_amount=0.3)
  with pytest.raises(ValueError, match=r'context_amount=.*, but the tracker'):
    Pairs([DataSet(clips_with_classes)], wide, 0)
  large = dataclasses.replace(tracker, search_size=511)
  with pytest.raises(ValueError, match='crops of 511 px are smaller'):
    Pairs([DataSet(clips_with_classes)], large, 0)
