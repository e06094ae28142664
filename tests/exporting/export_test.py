"""Exported trackers have the boxes of the trackers, in their own runtimes."""

import functools
import importlib
import itertools

import jax
import numpy as np
import pytest

from acm_jax import exporting, trackers
from acm_jax.datasets.sequences import read_ahead
from acm_jax.evaluation import benchmarks
from acm_jax.exported import contract as contracts
from acm_jax.exported.tracker import ExportedTracker
from acm_jax.exporting import graphs
from acm_jax.exporting.runtimes import RUNTIMES
from acm_jax.tracking.contract import Hparams
from acm_jax.tracking.model import Model
from acm_jax.tracking.result import Result
from acm_jax.tracking.video_tracker import VideoTracker
from acm_jax.training import trained
from acm_jax.weights import convert, files
from configs import nanotrack
from data_pipelines import synthetic
from tests import trackers_test
from tests import variables as random_variables

# Format -> packages that convert to it and that run its graphs.
PACKAGES = {
  'onnx': ('jax2onnx', 'onnxruntime'),
  'tflite': ('tensorflow', 'ai_edge_litert'),
  'stablehlo': (),
}
_OTHERS = [kind for kind in PACKAGES if kind != 'onnx']
every_kind = pytest.mark.parametrize('kind', PACKAGES)
FRAMES = 41
# Boxes differ by rounding: by 0.001 px unless it moves a crop by a pixel.
MOST = 0.5
# Likewise; scores and margins are at most 1.
MOST_SCORE = 0.01
# Of an average config; random weights need no others.
HPARAMS = Hparams(penalty_k=0.1, window_influence=0.4, size_lr=0.3)


def exported(model, kind, folder):
  """Exports a model and loads it in the runtime of the format."""
  for package in PACKAGES[kind]:
    pytest.importorskip(package)
  exporting.write(folder, model, kind)
  contract = contracts.read(folder)
  graphs = {
    name: RUNTIMES[kind](folder / graph.file)
    for name, graph in contract.graphs.items()
  }
  return ExportedTracker(contract, **graphs)


@pytest.fixture(scope='module')
def video(request, tmp_path_factory):
  """Returns 41 real frames and a box, or synthetic frames without real data."""
  try:
    root = request.getfixturevalue('real_data') / 'sequences' / 'OTB100'
    name, number = 'otb100', 0
  except pytest.skip.Exception:
    root = tmp_path_factory.mktemp('exporting') / 'sequences'
    synthetic.write_folder(root, sequences=1, frames=FRAMES, seed=5)
    name, number = 'folder', 0
  sequence = benchmarks.sequences(benchmarks.get(name), root)[number]
  frames = list(itertools.islice(read_ahead(sequence), FRAMES))
  assert len(frames) == FRAMES
  return frames, sequence.box_xywh[0]


def results_of(tracker, video):
  """Returns a `Result` whose fields have an entry for each frame."""
  frames, box_xywh = video
  results = [result for (result,) in tracker.track(frames, [box_xywh])]
  return Result(*map(np.array, zip(*results, strict=True)))


def check(model, kind, folder, video):
  """Checks that all results are equal, and that the boxes move."""
  found = results_of(exported(model, kind, folder), video)
  expected = results_of(VideoTracker(model), video)
  assert np.abs(expected.box - expected.box[0]).max() > 5
  np.testing.assert_allclose(found.box, expected.box, rtol=0, atol=MOST)
  np.testing.assert_array_equal(found.lost, expected.lost)
  for name in ('score', 'margin'):
    one, other = getattr(found, name), getattr(expected, name)
    np.testing.assert_allclose(one, other, rtol=0, atol=MOST_SCORE)


def step_differences(model, kind, folder, videos):
  """Returns the largest difference of each step's box, in px.

  Both compute each step from the state and the crops of the exported tracker.
  Crops begin at whole pixels: a difference of 0.001 px may move a crop by a
  pixel, after which boxes of two runtimes differ by up to 3 px.
  """
  tracker = exported(model, kind, folder)
  graph, run = graphs.make(model)['search'], tracker._search
  function, differences = jax.jit(graph.function), []

  def compared(inputs):
    outputs = run(inputs)
    expected = function(*(inputs[name] for name in graph.inputs))
    differences.append(np.abs(outputs['box'] - expected[0]).max())
    return outputs

  tracker._search = compared
  for video in videos:
    boxes = results_of(tracker, video).box
    assert np.abs(boxes - boxes[0]).max() > 5
  return differences


@functools.cache
def random_model(case):
  tracker, variables = trackers_test.build(case)
  return Model('-'.join(case), tracker, variables, HPARAMS)


@pytest.mark.parametrize(
  'kind',
  ['onnx', *(pytest.param(k, marks=pytest.mark.slow) for k in _OTHERS)],
)
@trackers_test.every
def test_a_tracker_with_random_weights_has_the_same_boxes(
  kind, case, video, tmp_path
):
  """Random scores differ enough: rounding does not change the best location."""
  differences = step_differences(random_model(case), kind, tmp_path, [video])
  assert len(differences) == FRAMES - 1
  # Rounding only.
  assert max(differences) < 0.01


@every_kind
def test_the_packaged_model_has_the_same_boxes(kind, video, tmp_path):
  check(trained.load('small'), kind, tmp_path, video)


@every_kind
def test_nanotrack_v3_has_the_same_boxes(kind, video, real_data, tmp_path):
  pytest.importorskip('torch')
  config = nanotrack.get_config().to_dict()
  weights = files.read(real_data.parent / 'weights' / 'nanotrackv3.pth')
  variables, _ = convert.convert('nanotrack', weights.arrays, config['tracker'])
  tracker = trackers.make(**config['tracker'])
  hparams = Hparams(**config['hparams'])
  check(Model('v3', tracker, variables, hparams), kind, tmp_path, video)


@every_kind
def test_every_step_is_equal_even_where_rounding_moves_a_crop(
  kind, real_data, tmp_path
):
  root = real_data / 'sequences' / 'TinyTLP'
  videos = [
    (list(itertools.islice(read_ahead(each), FRAMES)), each.box_xywh[0])
    for each in benchmarks.sequences(benchmarks.get('tinytlp'), root)
  ]
  model = trained.load('small')
  differences = step_differences(model, kind, tmp_path, videos)
  assert len(differences) == 2 * (FRAMES - 1)
  # Measured: 0.0002 px.
  assert max(differences) < 0.01


@pytest.mark.slow
@every_kind
@pytest.mark.parametrize(
  'config',
  [
    'siamfc',
    'siamfc_acm',
    'siamrpn',
    'siamrpn_acm',
    'siamban',
    'siamban_acm',
    'nanotrack',
    'nanotrack_acm',
    'siamrpn:backbone=alexnet_legacy,fusion=up_xcorr',
    'siamrpn:backbone=mobilenet_v2',
  ],
)
def test_a_tracker_of_full_size_has_the_same_boxes(
  kind, config, video, tmp_path
):
  name, _, argument = config.partition(':')
  module = importlib.import_module(f'configs.{name}')
  tracker = trackers.make(
    **module.get_config(argument or None).tracker.to_dict()
  )
  variables = random_variables.fill(tracker.init_variables)
  # Halved, because exp() of the outputs of an untrained network overflows.
  variables['params'] = jax.tree.map(lambda x: x / 2, variables['params'])
  check(Model(config, tracker, variables, HPARAMS), kind, tmp_path, video)
