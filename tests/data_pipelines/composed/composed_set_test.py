"""Composed sets: reproducible frames, batches and negative pairs."""

import json
import shutil

import cv2
import numpy as np
import pytest

from data_pipelines import pipeline, training_set
from data_pipelines.clip_set import ClipSet
from data_pipelines.composed.composed_set import ComposedSet
from data_pipelines.mixture import Mixture, Sides
from tests.data_pipelines.composed.small_set import FRAMES, SETTINGS, shown
from tests.data_pipelines.same_pairs import assert_same_pairs


def change_manifest(folder, **values):
  path = folder / 'manifest.json'
  path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_a_frame_depends_only_on_seed_sequence_and_frame(folder, composed):
  again = ComposedSet(folder)
  frames = range(0, len(composed.frame_number), 25)
  forward = [composed.jpeg(frame) for frame in frames]
  backward = [again.jpeg(frame) for frame in reversed(frames)]
  assert forward == backward[::-1]
  assert len(set(forward)) == len(forward)
  np.testing.assert_array_equal(composed.box, again.box)
  np.testing.assert_array_equal(composed.track_objects, again.track_objects)


def test_more_sequences_leave_the_first_ones_unchanged(
  folder, composed, tmp_path
):
  copy = shutil.copytree(folder, tmp_path / 'more')
  change_manifest(copy, sequences=SETTINGS.sequences + 5)
  more = ComposedSet(copy)
  np.testing.assert_array_equal(more.box[: len(composed.box)], composed.box)
  assert more.jpeg(100) == composed.jpeg(100)


def test_another_seed_gives_other_frames(folder, composed, tmp_path):
  copy = shutil.copytree(folder, tmp_path / 'other')
  change_manifest(copy, seed=SETTINGS.seed + 1, sequences=20)
  assert ComposedSet(copy).jpeg(100) != composed.jpeg(100)


def test_tracks_of_the_same_object_have_the_same_origin(composed):
  targets, origins = composed.track_objects[:, 0], composed.origins()
  assert len(set(targets)) < len(targets)
  same = targets[:, None] == targets
  np.testing.assert_array_equal(origins[:, None] == origins, same)


@pytest.mark.parametrize('side', [31, 40, 137, 254])
def test_the_jpeg_of_the_centre_has_the_pixels_of_the_whole(composed, side):
  for frame in (0, 100, 200):
    whole, centre = composed.jpeg(frame), composed.jpeg(frame, side)
    assert len(centre) < len(whole) or side == 254
    np.testing.assert_array_equal(decoded(centre, side), decoded(whole, side))


def decoded(jpeg, side):
  """Decodes the centre of a JPEG, as training does."""
  image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
  corner = (len(image) - side) // 2
  return image[corner : corner + side, corner : corner + side]


def read_batches(folder, source, workers=0):
  batches = pipeline.train_batches(
    [{'path': folder, 'gap': FRAMES}],
    batch_size=6,
    template_side=137,
    search_side=255,
    seed=0,
    negative=0.5,
    same_category=0.5,
    source=source,
    workers=workers,
    last_step=2,
  )
  return list(batches)


@pytest.fixture(scope='module')
def thread_batches(folder):
  """Batches that threads read."""
  return read_batches(folder, 'memory')


def test_workers_render_the_same_batches_as_threads(folder, thread_batches):
  workers = read_batches(folder, 'memory', workers=1)
  for a, b in zip(thread_batches, workers, strict=True):
    for x, y in zip(a, b, strict=True):
      np.testing.assert_array_equal(x, y)


def test_both_sources_give_the_same_pairs(folder, thread_batches):
  records = read_batches(folder, 'records')
  assert_same_pairs(thread_batches, records)


def visible(library, plan):
  """Returns the objects that are visible in any layer of a sequence."""
  layers = [*plan.behind, plan.target, *plan.before]
  objects = {shown(library, x) for x in layers if x.texture is None}
  photographs = [x.texture.photograph for x in layers if x.texture is not None]
  photographs.append(plan.photograph)
  objects.update(np.flatnonzero(np.isin(library.object_home, photographs)))
  return objects


def open_negatives(folder, same_category):
  """Opens a mixture that has only negative pairs."""
  return Mixture(
    [{'path': folder}], Sides(137, 255), 0, 1.0, same_category, 'none'
  )


@pytest.mark.parametrize('same_category', [0.0, 1.0])
def test_no_negative_pair_shows_the_object_of_its_template(
  folder, library, plans, same_category
):
  objects = [visible(library, plan) for plan in plans]
  pairs = open_negatives(folder, same_category).pairs
  for number in range(1000):
    pair = pairs[number]
    hero = shown(library, plans[pair.template.track].target)
    assert hero not in objects[pair.search.track]


def test_targets_of_negative_pairs_have_the_same_class_if_possible(
  folder, library, plans
):
  heroes = [shown(library, plan.target) for plan in plans]
  category = library.object_category[heroes]
  objects = [visible(library, plan) for plan in plans]
  pairs = open_negatives(folder, 1.0).pairs
  possible = 0
  for number in range(300):
    pair = pairs[number]
    first, second = pair.template.track, pair.search.track
    if category[first] and any(
      category[first] == other and heroes[first] not in track_objects
      for other, track_objects in zip(category, objects, strict=True)
    ):
      assert category[first] == category[second]
      possible += 1
  assert possible > 100


def test_a_set_is_opened_as_the_kind_in_its_manifest(folder, clip_folder):
  assert isinstance(training_set.open_set(folder), ComposedSet)
  assert isinstance(training_set.open_set(clip_folder), ClipSet)
  for path in (folder, clip_folder):
    manifest = training_set.read_manifest(path)
    assert (manifest['template_size'], manifest['context_amount']) == (127, 0.5)
  with pytest.raises(ValueError, match="'composed', but 'clips' is needed"):
    ClipSet(folder)
