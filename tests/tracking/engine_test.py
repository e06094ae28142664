"""The engine: lanes that are independent, programs that are few."""

import dataclasses

import jax
import numpy as np
import pytest

from acm_jax.tracking import lanes, wide
from acm_jax.tracking.contract import Hparams
from acm_jax.tracking.engine import Engine, Programs, bucket_of, check_image
from tests import formulas

BOXES = np.array(
  [[100, 80, 60, 40], [2, 3, 33, 90], [250.5, 190.25, 66, 47.5]], np.float32
)


@pytest.fixture(params=['one_by_one', 'together'])
def form(request, monkeypatch):
  """Both forms of the step, whatever this machine is."""
  step = getattr(lanes, request.param)
  monkeypatch.setattr(lanes, 'step_on', lambda platform: step)


def image(number, size=(240, 320)):
  return np.resize(formulas.frame(number), (*size, 3))


def follow(engine, boxes, count):
  """Boxes and flags of lanes in one video, [frames, lanes]."""
  engine.start(image(0), dict(enumerate(boxes)))
  found = [engine.advance(image(i))() for i in range(1, count)]
  return jax.tree.map(lambda *x: np.stack(x), *map(_stacked, found))


def _stacked(found):
  return jax.tree.map(lambda *x: np.stack(x), *found.values())


@pytest.mark.usefixtures('form')
def test_a_lane_is_not_moved_by_the_frames_of_others(tiny_model):
  engine, alone = Engine(tiny_model, 3), Engine(tiny_model)
  alone.start(image(0), {0: BOXES[1]})
  engine.start(image(0), dict(enumerate(BOXES)))
  expected = [alone.advance(image(i))()[0] for i in range(1, 5)]
  found = []
  for i in range(1, 5):
    # The others have another video, and stand still at times.
    images = {1: image(i)} | ({0: image(9 - i), 2: image(i)} if i % 2 else {})
    found.append(engine.advance(images)()[1])
  for one, other in zip(found, expected, strict=True):
    # The bound that is promised; float32 sums differ in their order alone.
    np.testing.assert_allclose(one.box_xywh, other.box_xywh, atol=1e-3)


@pytest.mark.usefixtures('form')
def test_lanes_that_search_wide_equal_lanes_alone(tiny_model):
  plain = follow(Engine(tiny_model, 3), BOXES, 8)
  # In the widest gap of what this network says, so that lanes are lost and
  # found, and no rounding decides it.
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
  together = follow(Engine(model, 3, programs=programs), BOXES, 8)
  assert any(0 < sum(row) < 3 for row in together.lost)
  # A start in two programs, and a step for either region.
  assert len(programs) == 4
  for n in range(3):
    alone = follow(Engine(model, programs=programs), BOXES[n : n + 1], 8)
    np.testing.assert_array_equal(together.lost[:, n], alone.lost[:, 0])
    # The bound that is promised; float32 sums differ in their order alone.
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
  assert len(programs) == 3
  assert programs.seconds > 0


def test_models_that_share_programs_keep_to_their_own(tiny_model):
  """Their shapes are the same, their boxes are not."""
  moved = dataclasses.replace(tiny_model.tracker, pixel_shift=9.0)
  models = [
    tiny_model,
    dataclasses.replace(tiny_model, tracker=moved),
    dataclasses.replace(tiny_model, precision='default'),
  ]
  programs = Programs()
  shared = [follow(Engine(m, programs=programs), BOXES[:1], 4) for m in models]
  apart = [follow(Engine(m), BOXES[:1], 4) for m in models]
  assert len(programs) == 3 * len(models)
  for one, same in zip(shared, apart, strict=True):
    np.testing.assert_array_equal(one.box_xywh, same.box_xywh)
  assert np.abs(shared[0].box_xywh - shared[1].box_xywh).max() > 1


def test_a_lane_may_be_given_another_target(tiny_model):
  engine = Engine(tiny_model, 2)
  first = follow(engine, BOXES[:2], 4)
  again = follow(engine, BOXES[:2], 4)
  np.testing.assert_array_equal(first.box_xywh, again.box_xywh)


def test_what_no_lane_can_do_is_refused(tiny_model):
  with pytest.raises(ValueError, match='lanes=0: give 1 or more'):
    Engine(tiny_model, 0)
  engine = Engine(tiny_model, 2)
  engine.start(image(0), {0: BOXES[0]})
  for refused in (
    lambda: engine.advance({1: image(1)}),
    # Nothing is half done: the second lane has no target, and the third is no
    # lane.
    lambda: engine.start(image(0), {1: BOXES[0], 2: BOXES[0]}),
    lambda: engine.start(image(0), {1: BOXES[0], 0: np.zeros(4)}),
    lambda: engine.advance({1: image(1)}),
    lambda: engine.advance({}),
  ):
    with pytest.raises(
      ValueError, match=r'without a target|no lane [2m]|has no area'
    ):
      refused()
  engine.start(image(0, (300, 400)), {1: BOXES[0]})
  with pytest.raises(ValueError, match=r'buckets .* move at once'):
    engine.advance({0: image(1), 1: image(1, (300, 400))})


def test_what_is_no_array_is_told_what_is_wanted():
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
def test_buckets_are_coarse(size, bucket):
  assert bucket_of(np.zeros((*size, 3), np.uint8)) == bucket
