"""NanoTrackV3 with its published weights tracks as the official code does."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from acm_jax import trackers
from acm_jax.datasets.sequences import read_ahead
from acm_jax.evaluation import benchmarks, toolkits
from acm_jax.evaluation.truth import Truth
from acm_jax.tracking import loop
from acm_jax.tracking.contract import Frame, Hparams
from acm_jax.tracking.model import Model
from acm_jax.tracking.video_tracker import VideoTracker
from acm_jax.weights import convert, files
from configs import nanotrack
from tests import formulas

# Average overlaps of the official code's boxes, without frame 0 and frames in
# which the target is absent.
OFFICIAL = {
  'OTB100/Car1': 0.821,
  'OTB100/Couple': 0.663,
  'OTB100/Crossing': 0.700,
  'OTB100/Football1': 0.724,
  'OTB100/Jogging-1': 0.632,
  'OTB100/Jogging-2': 0.739,
  'VOT2018/bag': 0.787,
  'VOT2018/book': 0.696,
  'UAV123_10fps/wakeboard7': 0.768,
  'TinyTLP/Bike': 0.739,
  'TinyTLP/CarChase2': 0.897,
}
MEAN = 0.742
# Tolerances. Crops differ by up to one grey level and their sides are rounded;
# single boxes therefore differ by up to 2 px, average overlaps by up to 0.004.
BOX, OVERLAP, MEAN_OVERLAP = 2.5, 0.02, 0.01
# Largest difference between boxes with prepared and with plain weights, px.
PREPARED = 0.05
# Number of frames at the start whose boxes are compared.
FIRST = 10


@pytest.fixture(scope='module')
def model(real_data):
  pytest.importorskip('torch')
  config = nanotrack.get_config().to_dict()
  weights = files.read(real_data.parent / 'weights' / 'nanotrackv3.pth')
  variables, _ = convert.convert('nanotrack', weights.arrays, config['tracker'])
  algorithm = trackers.make(**config['tracker'])
  hparams = Hparams(**config['hparams'])
  return Model('nanotrackv3', algorithm, variables, hparams)


@pytest.fixture(scope='module')
def tracker(model):
  return VideoTracker(model)


def boxes_of(tracker, sequence, count=None):
  frames = itertools.islice(read_ahead(sequence), count)
  results = tracker.track(frames, sequence.box_xywh[:1])
  return np.stack([result.box for (result,) in results])


def sequences_of(real_data, name):
  benchmark = benchmarks.get(name.lower())
  return benchmarks.sequences(benchmark, real_data / 'sequences' / name)


def test_boxes_of_the_first_frames_equal_the_official_ones(tracker, real_data):
  official = formulas.load('tracks_nanotrack_v3')['OTB100/Crossing']
  sequences = sequences_of(real_data, 'OTB100')
  (sequence,) = (each for each in sequences if each.name == 'Crossing')
  boxes = boxes_of(tracker, sequence, FIRST)
  np.testing.assert_allclose(boxes, official[:FIRST], rtol=0, atol=BOX)


@pytest.mark.slow
def test_the_average_overlap_of_every_target_equals_the_official_one(
  tracker, real_data
):
  official, overlaps = formulas.load('tracks_nanotrack_v3'), {}
  for name in ('OTB100', 'VOT2018', 'UAV123_10fps', 'TinyTLP'):
    for sequence in sequences_of(real_data, name):
      key = f'{name}/{sequence.name}'
      boxes = boxes_of(tracker, sequence)
      first = official[key][:FIRST]
      np.testing.assert_allclose(
        boxes[:FIRST], first, rtol=0, atol=BOX, err_msg=key
      )
      truth = Truth.of(sequence)
      overlaps[key] = toolkits.rated_overlaps(boxes, truth).mean()
      assert abs(overlaps[key] - OFFICIAL[key]) < OVERLAP, key
  assert overlaps.keys() == OFFICIAL.keys()
  assert abs(np.mean(list(overlaps.values())) - MEAN) < MEAN_OVERLAP


def assert_prepared_like_plain(model, sequence):
  """Checks that prepared weights select the boxes of plain weights.

  Both start every frame from the same state: crops have rounded sides, so that
  a state that differs by 1e-4 px can lead to another crop.
  """
  variables = [jax.device_put(model.variables), model.on_device]
  frames = [
    Frame(jnp.asarray(image), jnp.array(image.shape[:2]))
    for image in read_ahead(sequence)
  ]
  step = jax.jit(loop.step, static_argnums=0)
  box = jnp.asarray(sequence.box_xywh[0], jnp.float32)
  state, prepared = (
    loop.init(model.tracker, each, frames[0], box) for each in variables
  )
  for index, frame in enumerate(frames[1:], start=1):
    states = state, state.replace(kernel=prepared.kernel)
    (state, plain), (_, ours) = (
      step(model.tracker, weights, model.hparams, each, frame)
      for weights, each in zip(variables, states, strict=True)
    )
    np.testing.assert_allclose(
      ours.box_xywh,
      plain.box_xywh,
      rtol=0,
      atol=PREPARED,
      err_msg=f'{sequence.name}, frame {index}',
    )


def test_prepared_weights_select_the_boxes_of_plain_weights(model, real_data):
  sequences = sequences_of(real_data, 'OTB100')
  (sequence,) = (each for each in sequences if each.name == 'Crossing')
  assert_prepared_like_plain(model, sequence)


@pytest.mark.slow
def test_prepared_weights_select_the_same_boxes_in_every_sequence(
  model, real_data
):
  for name in ('OTB100', 'VOT2018', 'UAV123_10fps', 'TinyTLP'):
    for sequence in sequences_of(real_data, name):
      assert_prepared_like_plain(model, sequence)
