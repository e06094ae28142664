"""Validation equals plain loops, compiles once and refuses bad sequences."""

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
from acm_jax.tracking.contract import Found, Hparams, Tracker
from acm_jax.tracking.model import Model
from acm_jax.training import data, template_gap, validation
from acm_jax.training.sections import Validation
from data_pipelines import training_set
from data_pipelines.pipeline import DataSet

HPARAMS = Hparams(0.0, 0.0, 0.0)
NAMES = ('green', 'red')
COLORS = {'green': (0, 255, 0), 'red': (255, 0, 0)}
# Sides of the targets in the frames and in all crops, px.
SIDE, IN_CROP = 30, 63.5
CELLS, CELL = 17, 15


@dataclasses.dataclass(frozen=True)
class ColorTracker(Tracker):
  """Tracker that finds the colour of the template's centre.

  With a negative sharpness it finds the most different colour.
  """

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
    distance = jnp.abs(cells - kernel[:, None, None]).mean(-1)
    return -variables['params']['sharpness'] * distance / 255

  def label_map(self, targets):
    raise NotImplementedError

  def score_map(self, outputs):
    raise NotImplementedError

  def select(self, outputs, state, hparams, scale):
    scores = jax.nn.sigmoid(outputs[0]).ravel()
    best = jnp.argmax(scores)
    offset = jnp.asarray(grid.points(CELLS, CELL)).reshape(-1, 2)[best]
    center, score = state.center + offset / scale, scores[best]
    return Found(jnp.concatenate([center, state.size]), score, score)


@pytest.fixture(scope='module')
def root(tmp_path_factory):
  """Writes videos of a moving green and a moving red target.

  The videos named after a colour annotate the target of this colour.
  """
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
  """Computes the overlap of two boxes x, y, w, h."""
  low, high = np.maximum(a[:2], b[:2]), np.minimum(a[:2] + a[2:], b[:2] + b[2:])
  inter = np.prod(np.maximum(high - low, 0))
  return inter / (np.prod(a[2:]) + np.prod(b[2:]) - inter)


def overlaps(sequence, weights):
  """Returns the overlaps of all frames after the first that show the target."""
  frames = sequences.read_ahead(sequence)
  model = Model('colors', ColorTracker(), weights, HPARAMS)
  tracked = video_tracker.follow(model, frames, sequence.box_xywh[:1])
  return [
    iou(result.box_xywh, truth)
    for t, ((result,), truth) in enumerate(
      zip(tracked, sequence.box_xywh, strict=True)
    )
    if t and not sequence.absent[t]
  ]


def test_the_average_overlap_is_the_mean_over_sequences_of_their_means(
  validator,
):
  weights = variables(1.0)
  each = [overlaps(sequence, weights) for sequence in validator.sequences]
  assert list(map(len, each)) == [3, 4]
  figures = validator.measure(weights)
  expected = np.mean([np.mean(one) for one in each])
  assert expected > 0.5
  # Boxes are float32.
  assert figures['validation_average_overlap'] == pytest.approx(
    expected, abs=1e-5
  )


def test_only_a_tracker_that_uses_its_template_has_a_gap(validator):
  figures = validator.measure(variables(1.0))
  assert figures['validation_iou'] > 0.5
  # A box at the wrong target may still touch the right one.
  assert figures['validation_iou_wrong'] < 0.2
  assert figures['validation_iou_gap'] == pytest.approx(
    figures['validation_iou'] - figures['validation_iou_wrong']
  )
  blind = validator.measure(variables(0.0))
  assert blind['validation_iou_gap'] == blind['validation_score_gap'] == 0


def test_a_single_sequence_is_validated_without_pairs(root):
  config = Validation('folder', NAMES[:1], pairs=0)
  one = validation.load(config, str(root), ColorTracker(), HPARAMS, 'highest')
  weights = variables(1.0)
  expected = np.mean(overlaps(one.sequences[0], weights))
  assert one.measure(weights) == {
    'validation_average_overlap': pytest.approx(expected, abs=1e-5)
  }


def test_validation_is_compiled_once_for_all_weights(validator):
  first = validator.measure(variables(1.0))
  count = len(validator.programs)
  # Three programs start lanes, three step them, and one evaluates the pairs.
  assert count == 7
  assert validator.measure(variables(-1.0)) != first
  assert validator.measure(variables(1.0)) == first
  assert len(validator.programs) == count


def test_pairs_are_reproducible_and_wrong_templates_are_of_other_sequences(
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


def test_the_target_of_a_pair_lies_at_its_ground_truth(validator):
  pairs = validator.pairs
  middle = pairs.template.shape[1] // 2
  assert np.abs(pairs.truth[:, :2]).max() > 5
  for template, search, truth in zip(
    pairs.template, pairs.search, pairs.truth, strict=True
  ):
    x, y = np.round(truth[:2] + search.shape[0] // 2).astype(int)
    np.testing.assert_array_equal(search[y, x], template[middle, middle])
    # The target ends half a side from its centre.
    half = int(IN_CROP / 2)
    inside, outside = search[y, x + half - 4], search[y, x + half + 5]
    assert (inside != 128).any()
    assert (outside == 128).all()
  # Targets of 30 px in the frames.
  np.testing.assert_allclose(pairs.truth[:, 2:], IN_CROP, rtol=1e-6)
  np.testing.assert_allclose(pairs.box_size, IN_CROP, rtol=1e-6)


@pytest.mark.parametrize(
  ('names', 'message'),
  [
    (
      ('green', 'blue', 'pink'),
      'blue, pink not found below .* green, late, red, st',
    ),
    (('green', 'still'), 'still: the target must be visible in the first'),
    (('green', 'late'), 'late: the target must be visible in the first'),
  ],
)
def test_an_unsuitable_sequence_is_refused(root, names, message):
  config = Validation('folder', names)
  with pytest.raises(ValueError, match=f'config.validation: .*{message}'):
    validation.load(config, str(root), ColorTracker(), HPARAMS, 'highest')


def test_a_validation_without_its_folder_is_refused_and_vice_versa(root):
  load = validation.load
  config = Validation('folder', NAMES)
  with pytest.raises(
    ValueError, match='give `validation_dir`, the root folder of'
  ):
    load(config, None, ColorTracker(), HPARAMS, 'highest')
  with pytest.raises(ValueError, match='`validation_dir`: the config has no'):
    load(None, str(root), ColorTracker(), HPARAMS, 'highest')
  assert load(None, None, ColorTracker(), HPARAMS) is None


@pytest.mark.parametrize(
  'trained', ['red', 'red.2', 'red.255', 'red.000.000120.03']
)
def test_a_sequence_that_is_also_trained_on_is_refused(monkeypatch, trained):
  targets = {'data/davis': ['blue', 'reddish.1'], 'data/mine': [trained]}
  monkeypatch.setattr(training_set, 'read_names', targets.get)
  sets = [DataSet(path=path) for path in targets]
  with pytest.raises(
    ValueError, match='validation videos red, but data/mine contains'
  ):
    data.check_held_out(sets, ('green', 'red.1'))
  data.check_held_out(sets[:1], ('green', 'red.1'))
