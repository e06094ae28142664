"""Tests of the engine: lanes are independent, and few programs compile."""

import dataclasses
import time

import jax
import numpy as np
import pytest

from acm_jax.tracking import engine as engines
from acm_jax.tracking import lanes, wide
from acm_jax.tracking.contract import Hparams
from acm_jax.tracking.engine import Engine, bucket_of
from acm_jax.tracking.inputs import check_image
from acm_jax.tracking.programs import Programs
from tests import formulas

BOXES = np.array(
  [[100, 80, 60, 40], [2, 3, 33, 90], [250.5, 190.25, 66, 47.5]], np.float32
)


@pytest.fixture(params=[False, True], ids=['one_by_one', 'batched'])
def form(request, monkeypatch):
  """Runs a test with each way of mapping over lanes, on any platform."""
  monkeypatch.setattr(lanes, 'are_batched', lambda platform: request.param)


def image(number, size=(240, 320)):
  return np.resize(formulas.frame(number), (*size, 3))


def follow(engine, boxes, count):
  """Tracks in one video; returns results [frames, lanes] after the first."""
  engine.start(image(0), dict(enumerate(boxes)))
  per_frame = [engine.advance(image(i))() for i in range(1, count)]
  return _stack([_stack(list(by_lane.values())) for by_lane in per_frame])


def _stack(results):
  return jax.tree.map(lambda *x: np.stack(x), *results)


@pytest.mark.usefixtures('form')
def test_frames_of_other_lanes_do_not_affect_a_lane(tiny_model):
  engine, alone = Engine(tiny_model, 3), Engine(tiny_model)
  alone.start(image(0), {0: BOXES[1]})
  engine.start(image(0), dict(enumerate(BOXES)))
  expected = [alone.advance(image(i))()[0] for i in range(1, 5)]
  actual = []
  for i in range(1, 5):
    # The other lanes track in another video, and pause in some steps.
    images = {1: image(i)} | ({0: image(9 - i), 2: image(i)} if i % 2 else {})
    actual.append(engine.advance(images)()[1])
  for one, other in zip(actual, expected, strict=True):
    # Only the order of float32 sums differs, so boxes agree to 1e-3 px.
    np.testing.assert_allclose(one.box_xywh, other.box_xywh, atol=1e-3)


@pytest.mark.usefixtures('form')
def test_lanes_with_wide_search_are_independent(tiny_model):
  plain = follow(Engine(tiny_model, 3), BOXES, 8)
  # The threshold lies in the widest gap between scores, so that targets are
  # lost and found, and rounding cannot change when.
  ordered = np.sort(plain.score, axis=None)
  gap = np.argmax(np.diff(ordered)[3:-3]) + 3
  middle = float(ordered[gap : gap + 2].mean())
  model = dataclasses.replace(
    tiny_model,
    tracker=dataclasses.replace(
      tiny_model.tracker, wide_search=wide.LongTerm(319)
    ),
    hparams=Hparams(0.08, 0.46, 0.44, middle, middle),
  )
  programs = Programs()
  prepared = Engine(model, 3, programs=programs)
  prepared.start(image(0), dict(enumerate(BOXES)))
  prepared.compile(image(0))
  # Three programs start a target, and three step, for each size of region.
  assert len(programs) == 3 + 2 * 3
  together = follow(Engine(model, 3, programs=programs), BOXES, 8)
  assert any(0 < sum(row) < 3 for row in together.lost)
  assert len(programs) == 3 + 2 * 3
  for n in range(3):
    alone = follow(Engine(model, programs=programs), BOXES[n : n + 1], 8)
    np.testing.assert_array_equal(together.lost[:, n], alone.lost[:, 0])
    # Only the order of float32 sums differs, so boxes agree to 1e-3 px.
    np.testing.assert_allclose(
      together.box_xywh[:, n], alone.box_xywh[:, 0], atol=1e-3
    )


def test_frames_of_one_bucket_share_programs(tiny_model):
  programs = Programs()
  for size in ((240, 320), (230, 300), (256, 257)):
    engine = Engine(tiny_model, programs=programs)
    engine.start(image(0, size), {0: BOXES[0]})
    for i in range(1, 4):
      engine.advance(image(i, size))()
  # Three programs start a target, and three step.
  assert len(programs) == 6
  assert programs.seconds > 0


# Sizes of frames; the third and the fifth do not fit into the first's bucket.
SIZES = ((240, 320), (250, 300), (300, 400), (200, 250), (260, 200), (240, 320))


@pytest.mark.usefixtures('form')
def test_frames_that_change_size_are_tracked_as_in_a_larger_bucket(
  tiny_model, monkeypatch
):
  def run(lanes=1):
    engine = Engine(tiny_model, lanes)
    # The last lanes track in frames of another bucket.
    boxes = dict(enumerate(BOXES[:lanes]))
    engine.start(image(0, SIZES[0]), boxes)
    results = []
    for i, size in enumerate(SIZES[1:], 1):
      images = {0: image(i, size)} | {n: image(i) for n in range(1, lanes)}
      results.append(engine.advance(images)()[0])
    return _stack(results), len(engine.programs)

  changing, programs = run()
  # Six programs for the first bucket. For each bucket that fits a frame which
  # did not fit before, two more that sample its frames.
  assert programs == 6 + 2
  among_others, _ = run(lanes=3)
  monkeypatch.setattr('acm_jax.tracking.engine.bucket_of', lambda _: (384, 512))
  large, programs = run()
  assert programs == 6
  assert np.ptp(large.box_xywh, axis=0).max() > 1
  for one in (changing, among_others):
    # Only the order of float32 sums differs, so boxes agree to 1e-3 px.
    np.testing.assert_allclose(one.box_xywh, large.box_xywh, atol=1e-3)
    # For the same reason, scores agree to 1e-5.
    np.testing.assert_allclose(one.score, large.score, atol=1e-5)


def test_a_lane_returns_to_a_smaller_bucket_with_its_next_target(tiny_model):
  engine = Engine(tiny_model)
  for _ in range(2):
    engine.start(image(0), {0: BOXES[0]})
    for size in ((240, 320), (300, 400)):
      engine.advance(image(1, size))()
  # Six programs for the first bucket, and two that sample frames of the second.
  assert len(engine.programs) == 6 + 2


def test_the_clock_of_programs_stands_still_during_compilation(monkeypatch):
  programs, now = Programs(), 0.0

  class Function:
    def __call__(self):
      raise NotImplementedError

    def lower(self):
      return self

    def compile(self, options):
      nonlocal now
      now += 30.0
      return self

  monkeypatch.setattr(time, 'monotonic', lambda: now)
  programs.get(Function(), (), 'default', ())
  assert programs.clock() == 0.0
  now += 2.0
  assert programs.clock() == 2.0


def test_models_with_a_common_cache_run_their_own_programs(tiny_model):
  """Uses models with arrays of equal shapes, but with different boxes."""
  moved = dataclasses.replace(tiny_model.tracker, pixel_shift=9.0)
  models = [
    tiny_model,
    dataclasses.replace(tiny_model, tracker=moved),
    dataclasses.replace(tiny_model, precision='default'),
  ]
  programs = Programs()
  shared = [follow(Engine(m, programs=programs), BOXES[:1], 4) for m in models]
  separate = [follow(Engine(m), BOXES[:1], 4) for m in models]
  # The program that samples columns depends on the precision only.
  assert len(programs) == 6 + 5 + 6
  for one, same in zip(shared, separate, strict=True):
    np.testing.assert_array_equal(one.box_xywh, same.box_xywh)
  assert np.abs(shared[0].box_xywh - shared[1].box_xywh).max() > 1


def test_a_lane_can_be_assigned_another_target(tiny_model):
  engine = Engine(tiny_model, 2)
  first = follow(engine, BOXES[:2], 4)
  again = follow(engine, BOXES[:2], 4)
  np.testing.assert_array_equal(first.box_xywh, again.box_xywh)


def test_invalid_calls_are_refused_and_change_no_lane(tiny_model):
  with pytest.raises(ValueError, match='`lanes`=0: give at least 1'):
    Engine(tiny_model, 0)
  engine = Engine(tiny_model, 2)
  engine.start(image(0), {0: BOXES[0]})
  for refused in (
    lambda: engine.advance({1: image(1)}),
    # These calls must not start lane 1, because another lane is invalid; the
    # next `advance` checks that lane 1 has no target.
    lambda: engine.start(image(0), {1: BOXES[0], 2: BOXES[0]}),
    lambda: engine.start(image(0), {1: BOXES[0], 0: np.zeros(4)}),
    lambda: engine.advance({1: image(1)}),
    lambda: engine.advance({}),
  ):
    with pytest.raises(
      ValueError,
      match=r'without a target|2 does not exist|than a pixel|no lane to adv',
    ):
      refused()


def test_an_image_that_is_not_an_array_is_refused():
  with pytest.raises(ValueError, match='the image is a list; give a NumPy'):
    check_image([[1, 2, 3]])


@pytest.mark.parametrize(
  ('size', 'bucket'),
  [
    ((240, 320), (256, 384)),
    ((720, 1280), (768, 1536)),
    ((256, 257), (256, 384)),
    ((20000, 8), (20000, 256)),
  ],
)
def test_sides_are_rounded_up_to_those_of_a_bucket(size, bucket):
  assert bucket_of(np.zeros((*size, 3), np.uint8)) == bucket


def test_frames_are_in_memory_that_jax_uses_without_a_copy():
  cpu = jax.devices('cpu')[0]
  for _ in range(20):
    frame = engines._aligned((3, 5, 7))
    assert frame.flags.c_contiguous
    assert np.shares_memory(frame, np.asarray(jax.device_put(frame, cpu)))
