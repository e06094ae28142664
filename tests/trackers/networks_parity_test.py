"""Networks have the features and outputs of the official code."""

import functools

import jax
import numpy as np
import pytest

from acm_jax import trackers
from acm_jax.modules.mode import EVAL
from acm_jax.modules.neck import center_crop
from acm_jax.weights import convert, files, verify
from tests import formulas

# float32 against float64; the measured error on a CPU is 2e-6.
RELATIVE = 1e-5
# Winograd's algorithm in prepared weights rounds more.
RELATIVE_OF_FORM = {'plain': RELATIVE, 'prepared': 1e-4}

RESNET = {'backbone': 'resnet50', 'levels': (2, 3, 4)}
ALEXNET = {
  'backbone': 'alexnet_legacy',
  'levels': (5,),
  'neck': False,
  'search_size': 287,
}
MOBILENET = {'backbone': 'mobilenet_v2', 'levels': (3, 5, 7), 'width': 1.4}
MODELS = {
  'siamban_r50': {'name': 'siamban', **RESNET},
  'siamban_acm_r50': {
    'name': 'siamban',
    'fusion': 'acm',
    'head_size': 3,
    **RESNET,
  },
  'siamrpn_r50': {'name': 'siamrpn', **RESNET},
  'siamrpn_alex': {'name': 'siamrpn', 'weighted': False, **ALEXNET},
  'siamrpn_mobilev2': {'name': 'siamrpn', 'weighted': False, **MOBILENET},
  'siamfc_alexv1': {
    'name': 'siamfc',
    'backbone': 'alexnet_v1',
    'levels': (5,),
  },
}
NANOTRACK = {
  'name': 'nanotrack',
  'backbone': 'mobilenet_v3_small',
  'levels': (9,),
}
models = pytest.mark.parametrize('model', MODELS)


@functools.lru_cache(maxsize=1)
def load(model):
  """Returns tracker, variables, template, search crop and official figures."""
  section, figures = MODELS[model], formulas.load(model)
  tracker = trackers.make(**section)
  variables, ignored = convert.convert(
    section['name'], formulas.state_dict(model), section
  )
  assert not ignored
  template = formulas.image('template', 127)
  search = formulas.image('search', tracker.search_size)
  return tracker, variables, template, search, figures


def nchw(image):
  return np.moveaxis(image, -1, 1)


@models
@pytest.mark.parametrize('form', RELATIVE_OF_FORM)
def test_outputs_equal_the_official_ones(model, form):
  tracker, variables, template, search, figures = load(model)
  if form == 'prepared':
    variables = tracker.prepare(variables)
  inputs = {'template': nchw(template), 'search': nchw(search)}
  errors = verify.errors(tracker, variables, {**inputs, **figures})
  assert errors.keys() == figures.keys() & {'cls', 'loc', 'response'} != set()
  for name, (_, relative) in errors.items():
    assert relative < RELATIVE_OF_FORM[form], name


# Each backbone once. The official figures of SiamFC include only the response.
@pytest.mark.parametrize(
  'model', ['siamban_acm_r50', 'siamrpn_alex', 'siamrpn_mobilev2']
)
def test_features_equal_the_official_ones(model):
  tracker, variables, template, search, figures = load(model)

  @jax.jit
  def features(variables, template, search):
    network = tracker.network.bind(variables)
    return (
      network.backbone(search, mode=EVAL),
      [center_crop(x, 7) for x in network.features(template, mode=EVAL)],
    )

  backbone, template = features(variables, template, search)
  for level, features in enumerate(map(np.asarray, backbone)):
    stats = [features.mean(), features.std(ddof=1), np.abs(features).max()]
    close = functools.partial(
      np.testing.assert_allclose, rtol=0, atol=RELATIVE * stats[2]
    )
    close(stats, figures[f'backbone{level}_stats'])
    piece = features[0, :4, :4, :8].transpose(2, 0, 1)
    close(piece, figures[f'backbone{level}_slice'])
  for level, features in enumerate(template):
    expected = figures[f'template_feature{level}_slice']
    piece = np.asarray(features)[0, ..., :8].transpose(2, 0, 1)
    tolerance = RELATIVE * np.abs(expected).max()
    np.testing.assert_allclose(piece, expected, rtol=0, atol=tolerance)


@pytest.fixture(scope='module')
def nanotrack():
  return trackers.make(**NANOTRACK)


def nano_inputs(scale):
  return {
    'template': scale * nchw(formulas.image('template', 127)),
    'search': scale * nchw(formulas.image('search', 255)),
  }


def test_nanotrack_equals_the_official_network(nanotrack):
  figures = formulas.load('nanotrack_v3')
  variables, ignored = convert.convert(
    'nanotrack', formulas.state_dict('nanotrack_v3'), NANOTRACK
  )
  assert ignored == ('neck.downsample',)
  wanted = {name: figures[name] for name in ('cls', 'loc')}
  errors = verify.errors(nanotrack, variables, nano_inputs(1) | wanted)
  assert max(relative for _, relative in errors.values()) < RELATIVE

  @jax.jit
  def features(variables, image):
    return nanotrack.network.bind(variables).backbone(image, mode=EVAL)[0][0]

  for name, side in (('template', 127), ('search', 255)):
    ours = features(variables, formulas.image(name, side))
    theirs = figures[f'{name}_feature_slice']
    piece = np.moveaxis(ours, -1, 0)[tuple(map(slice, theirs.shape))]
    tolerance = RELATIVE * np.abs(theirs).max()
    np.testing.assert_allclose(piece, theirs, rtol=0, atol=tolerance)


def test_nanotrack_equals_the_official_network_with_published_weights(
  nanotrack, real_data
):
  pytest.importorskip('torch')
  figures = formulas.load('nanotrack_v3')
  weights = files.read(real_data.parent / 'weights' / 'nanotrackv3.pth')
  assert weights.ignored == ('epoch', 'optimizer')
  variables, _ = convert.convert('nanotrack', weights.arrays, NANOTRACK)
  wanted = {name: figures[f'v3_{name}'] for name in ('cls', 'loc')}
  errors = verify.errors(nanotrack, variables, nano_inputs(255) | wanted)
  assert max(relative for _, relative in errors.values()) < RELATIVE
