"""Validation: its figures by plain loops, compiled once, what is refused."""

import dataclasses

import cv2
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from acm_jax.datasets import sequences
from acm_jax.geometry import grid
from acm_jax.tracking import video_tracker
from acm_jax.tracking.contract import (
  Candidates,
  Found,
  Hparams,
  Outputs,
  Tracker,
)
from acm_jax.tracking.model import Model
from acm_jax.training import data, template_gap, validation
from acm_jax.training.sections import Validation
from data_pipelines import training_set
from data_pipelines.pipeline import DataSet

HPARAMS = Hparams(0.0, 0.0, 0.0)
NAMES = ('green', 'red')
COLORS = {'green': (0, 255, 0), 'red': (255, 0, 0)}
# Side of the targets in the frame, and then in every crop, px.
SIDE, IN_CROP = 30, 63.5
CELLS, CELL = 17, 15


@dataclasses.dataclass(frozen=True)
class ColorTracker(Tracker):
  """Finds the colour of the template's centre; below sharpness 0 another."""

  network: nn.Module | None = None

  def preprocess(self, rgb):
    return rgb

  def targets(self, batch, rng):
    raise NotImplementedError

  def loss(self, outputs, targets):
    raise NotImplementedError

  def encode(self, variables, template, box_size):
    middle = slice(template.shape[1] // 2 - 3, template.shape[1] // 2 + 4)
    return template[:, middle, middle].mean((1, 2))

  def respond(self, variables, kernel, search):
    cells = search.reshape(-1, CELLS, CELL, CELLS, CELL, 3).mean((2, 4))
    distance = jnp.abs(cells - kernel[:, None, None]).mean(-1, keepdims=True)
    cls = -variables['params']['sharpness'] * distance / 255
    return Outputs(cls=cls, loc=jnp.zeros((*cls.shape[:-1], 0)))

  def decode(self, outputs):
    points = grid.points(CELLS, CELL)
    box = jnp.concatenate([points, jnp.full(points.shape, IN_CROP)], axis=-1)
    return Candidates(box, jax.nn.sigmoid(outputs.cls[..., 0]))

  def select(self, outputs, state, hparams, scale):
    candidates = self.decode(outputs[0])
    best = jnp.argmax(candidates.score)
    offset = candidates.box_cxcywh.reshape(-1, 4)[best, :2]
    center = state.center + offset / scale
    score = candidates.score.ravel()[best]
    return Found(jnp.concatenate([center, state.size]), score, score)


@pytest.fixture(scope='module')
def root(tmp_path_factory):
  """Videos in which a green and a red target move; one of them is annotated."""
  folder = tmp_path_factory.mktemp('videos')
  for name in (*NAMES, 'late', 'still'):
    (folder / name / 'img').mkdir(parents=True)
    rows = []
    for t in range(5):
      image = np.full((200, 240, 3), 128, np.uint8)
      corners = {'green': (150 - 3 * t, 120), 'red': (40 + 3 * t, 60 + 2 * t)}
      for color, (x, y) in corners.items():
        image[y : y + SIDE, x : x + SIDE] = np.array(COLORS[color]) // 2
        inner = slice(y + 10, y + 20), slice(x + 10, x + 20)
        image[inner] = COLORS[color]
      path = folder / name / 'img' / f'{t:05d}.png'
      cv2.imwrite(str(path), image[..., ::-1])
      rows.append(','.join(map(str, (*corners.get(name, (0, 0)), SIDE, SIDE))))
    (folder / name / 'groundtruth.txt').write_text('\n'.join(rows) + '\n')
  (folder / 'green' / 'absent.txt').write_text('0\n0\n0\n1\n0\n')
  (folder / 'late' / 'absent.txt').write_text('1\n0\n0\n0\n0\n')
  (folder / 'still' / 'absent.txt').write_text('0\n1\n1\n1\n1\n')
  return folder


@pytest.fixture(scope='module')
def validator(root):
  config = Validation('folder', NAMES, pairs=6)
  return validation.load(config, str(root), ColorTracker(), HPARAMS, 'highest')


def variables(sharpness):
  return {'params': {'sharpness': jnp.float32(sharpness)}}


def iou(a, b):
  """Of two boxes x, y, w, h."""
  low, high = np.maximum(a[:2], b[:2]), np.minimum(a[:2] + a[2:], b[:2] + b[2:])
  inter = np.prod(np.maximum(high - low, 0))
  return inter / (np.prod(a[2:]) + np.prod(b[2:]) - inter)


def overlaps(sequence, given):
  """The overlap in each frame but the first and those without the target."""
  frames = map(sequences.read_frame, sequence.frame_paths)
  model = Model('colors', ColorTracker(), given, HPARAMS)
  tracked = video_tracker.follow(model, frames, sequence.box_xywh[:1])
  return [
    iou(found.box_xywh, truth)
    for t, ((found,), truth) in enumerate(
      zip(tracked, sequence.box_xywh, strict=True)
    )
    if t and not sequence.absent[t]
  ]


def test_the_average_overlap_is_the_mean_of_the_sequences_means(validator):
  given = variables(1.0)
  each = [overlaps(sequence, given) for sequence in validator.sequences]
  assert list(map(len, each)) == [3, 4]
  figures = validator.measure(given)
  expected = np.mean([np.mean(one) for one in each])
  assert expected > 0.5
  # Boxes of float32.
  assert figures['validation_average_overlap'] == pytest.approx(
    expected, abs=1e-5
  )


def test_the_gap_tells_a_tracker_that_looks_at_its_template(validator):
  figures = validator.measure(variables(1.0))
  assert figures['validation_iou'] > 0.5
  # Another place may touch the target.
  assert figures['validation_iou_wrong'] < 0.2
  assert figures['validation_iou_gap'] == pytest.approx(
    figures['validation_iou'] - figures['validation_iou_wrong']
  )
  blind = validator.measure(variables(0.0))
  assert blind['validation_iou_gap'] == blind['validation_score_gap'] == 0


def test_it_is_compiled_once_for_all_weights(validator):
  first = validator.measure(variables(1.0))
  count, seconds = len(validator.programs), validator.programs.seconds
  # Start, in two, and step of lanes, and the pairs.
  assert count == 4
  assert validator.measure(variables(-1.0)) != first
  assert validator.measure(variables(1.0)) == first
  assert (len(validator.programs), validator.programs.seconds) == (
    count,
    seconds,
  )


def test_pairs_are_always_the_same_and_the_other_is_of_another_sequence(
  validator,
):
  pairs = validator.pairs
  again = template_gap.draw(
    validator.sequences, ColorTracker(), len(pairs.other)
  )
  jax.tree.map(np.testing.assert_array_equal, pairs, again)
  middle = pairs.template.shape[1] // 2
  colors = pairs.template[:, middle, middle]
  assert (colors != colors[pairs.other]).any(axis=1).all()


def test_a_pairs_target_is_where_its_truth_says(validator):
  pairs = validator.pairs
  middle = pairs.template.shape[1] // 2
  assert np.abs(pairs.truth[:, :2]).max() > 5
  for template, search, truth in zip(
    pairs.template, pairs.search, pairs.truth, strict=True
  ):
    x, y = np.round(truth[:2] + search.shape[0] // 2).astype(int)
    np.testing.assert_array_equal(search[y, x], template[middle, middle])
    # The target ends half a side further on.
    half = int(IN_CROP / 2)
    inside, outside = search[y, x + half - 4], search[y, x + half + 5]
    assert (inside != 128).any()
    assert (outside == 128).all()
  # A width of 30 px in a frame.
  np.testing.assert_allclose(pairs.truth[:, 2:], IN_CROP, rtol=1e-6)
  np.testing.assert_allclose(pairs.box_size, IN_CROP, rtol=1e-6)


@pytest.mark.parametrize(
  ('names', 'message'),
  [
    (
      ('green', 'blue', 'pink'),
      'blue, pink not found below .* green, late, red, st',
    ),
    (('green', 'still'), 'still has no target in its first frame or in no o'),
    (('green', 'late'), 'late has no target in its first frame or in no o'),
  ],
)
def test_a_sequence_that_is_none_to_validate_on_is_refused(
  root, names, message
):
  config = Validation('folder', names)
  with pytest.raises(ValueError, match=f'config.validation: .*{message}'):
    validation.load(config, str(root), ColorTracker(), HPARAMS, 'highest')


def test_a_validation_without_its_folder_and_the_reverse_are_refused(root):
  load = validation.load
  config = Validation('folder', NAMES)
  with pytest.raises(
    ValueError, match='give --validation_dir=DIR, the root of'
  ):
    load(config, None, ColorTracker(), HPARAMS, 'highest')
  with pytest.raises(ValueError, match='--validation_dir: the config has no'):
    load(None, str(root), ColorTracker(), HPARAMS, 'highest')
  assert load(None, None, ColorTracker(), HPARAMS) is None


@pytest.mark.parametrize(
  'shown', ['red', 'red.2', 'red.255', 'red.000.000120.03']
)
def test_a_sequence_that_is_also_trained_on_is_refused(monkeypatch, shown):
  targets = {'data/davis': ['blue', 'reddish.1'], 'data/mine': [shown]}
  monkeypatch.setattr(training_set, 'read_names', targets.get)
  sets = [DataSet(path=path) for path in targets]
  with pytest.raises(
    ValueError, match='red also in data/mine, which is trained'
  ):
    data.check_held_out(sets, ('green', 'red.1'))
  data.check_held_out(sets[:1], ('green', 'red.1'))
