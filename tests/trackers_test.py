"""Properties that every tracker has with each of its fusions."""

import dataclasses
import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from acm_jax import trackers
from acm_jax.modules import fusion
from acm_jax.modules.mode import Mode
from acm_jax.trackers.siamese import Outputs
from acm_jax.tracking.contract import Batch, Hparams, TrackState
from tests import variables

FUSIONS = {
  'nanotrack': ('acm', 'nano_xcorr', 'residual_acm'),
  'siamban': ('acm', 'dw_xcorr', 'up_xcorr'),
  'siamfc': ('acm', 'dw_xcorr', 'xcorr'),
  'siamrpn': ('acm', 'dw_xcorr', 'up_xcorr'),
}
# Small networks of both structures: one level without a neck, and several
# levels with a neck.
_BOTH = {
  'alexnet': {
    'backbone': 'alexnet',
    'levels': (5,),
    'neck': False,
    'hidden': 16,
  },
  'resnet50': {
    'backbone': 'resnet50',
    'levels': (2, 3),
    'neck': True,
    'hidden': 16,
  },
}
NETWORKS = {
  'nanotrack': {
    'mobilenet_v3_small': {'backbone': 'mobilenet_v3_small', 'hidden': 16},
  },
  'siamban': _BOTH,
  'siamfc': {
    'alexnet': {'backbone': 'alexnet_v1'},
    'mobilenet_v2': {'backbone': 'mobilenet_v2', 'levels': (3,)},
  },
  'siamrpn': _BOTH,
}
CASES = [
  (name, fusion, network)
  for name in trackers.names()
  for fusion, network in itertools.product(FUSIONS[name], NETWORKS[name])
  # Every fusion in one network, and ACM in the others.
  if fusion == 'acm' or network == next(iter(NETWORKS[name]))
]
every = pytest.mark.parametrize(
  'case', CASES, ids=['-'.join(case) for case in CASES]
)
# Each tracker and each fusion (residual_acm includes nano_xcorr). NanoTrack is
# slow: compiling the gradient of its 25 taps takes half a minute.
TRAINED = pytest.mark.parametrize(
  'case',
  [
    ('siamban', 'acm', 'alexnet'),
    ('siamban', 'dw_xcorr', 'alexnet'),
    ('siamfc', 'xcorr', 'alexnet'),
    ('siamrpn', 'up_xcorr', 'alexnet'),
    pytest.param(
      ('nanotrack', 'residual_acm', 'mobilenet_v3_small'),
      marks=pytest.mark.slow,
    ),
  ],
  ids='-'.join,
)
TRAIN = Mode(training=True)


@functools.cache
def build(case):
  name, fusion_name, network = case
  tracker = trackers.make(
    name,
    fusion=fusion_name,
    width=1 / 16,
    # A small search crop keeps the tests fast.
    search_size=191,
    **NETWORKS[name][network],
  )
  filled = variables.fill(tracker.init_variables)
  # Halved, because exp() of the outputs of an untrained UP-XCorr overflows.
  params = jax.tree.map(lambda x: x / 2, filled['params'])
  return tracker, {**filled, 'params': params}


def batch_of(tracker, count=4):
  rng = np.random.default_rng(2)

  def crops(size):
    shape = (count, size, size, 3)
    return jnp.asarray(rng.uniform(0, 255, shape), jnp.float32)

  center = rng.uniform(75, 115, (count, 2))
  size = rng.uniform(40, 90, (count, 2))
  search_box = jnp.asarray(np.concatenate([center, size], 1), jnp.float32)
  return Batch(
    template=crops(tracker.template_size),
    search=crops(tracker.search_size),
    template_box=search_box.at[:, :2].set(63.0),
    search_box=search_box,
    positive=jnp.arange(count) != 1,
  )


@functools.partial(jax.jit, static_argnums=(0, 3))
def run(tracker, variables, batch, mode):
  return tracker.apply(
    variables,
    batch.template,
    batch.template_box[:, 2:],
    batch.search,
    mode=mode,
  )


@every
def test_the_loss_is_a_scalar_and_the_label_map_has_a_label_per_cell(case):
  tracker, filled = build(case)
  batch = batch_of(tracker)

  def train(filled, batch, key):
    outputs, _ = run(tracker, filled, batch, TRAIN)
    targets = tracker.targets(batch, key)
    return tracker.label_map(targets), *tracker.loss(outputs, targets)

  labels, loss, parts = jax.eval_shape(train, filled, batch, jax.random.key(0))
  cells = tracker.network.response_size(tracker.search_size)
  assert labels.shape == (len(batch.positive), cells, cells)
  assert loss.shape == () == jax.tree.leaves(parts)[0].shape


@pytest.mark.parametrize(
  'case',
  [
    ('nanotrack', 'residual_acm', 'mobilenet_v3_small'),
    ('siamban', 'acm', 'alexnet'),
    ('siamban', 'dw_xcorr', 'alexnet'),
  ],
  ids='-'.join,
)
def test_untrained_boxes_have_the_size_that_the_crops_give_a_target(case):
  tracker, _ = build(case)
  initial = jax.jit(tracker.init_variables)(jax.random.key(0))
  outputs, _ = run(tracker, initial, batch_of(tracker), TRAIN)
  # A quarter of the template's side on either side of the centre. The random
  # kernels of SiamBAN's narrow heads move it by a third.
  np.testing.assert_allclose(
    np.median(outputs.loc), tracker.template_size / 4, rtol=0.5
  )


@functools.cache
def gradient(case):
  """Returns the function that computes the loss and its gradient.

  It is compiled once for all tests of a case.
  """
  tracker, filled = build(case)

  def loss(params, batch):
    outputs, _ = run(tracker, {**filled, 'params': params}, batch, TRAIN)
    targets = tracker.targets(batch, jax.random.key(0))
    return tracker.loss(outputs, targets)[0]

  return jax.jit(jax.value_and_grad(loss))


@TRAINED
def test_the_loss_falls_on_one_batch(case):
  tracker, filled = build(case)
  batch, params, values = batch_of(tracker, 2), filled['params'], []
  for _ in range(12):
    value, grads = gradient(case)(params, batch)
    norm = np.sqrt(sum(np.sum(g**2) for g in jax.tree.leaves(grads)))
    rate = 0.1 / norm
    params = jax.tree.map(lambda p, g, rate=rate: p - rate * g, params, grads)
    values.append(float(value))
  assert values[-1] < 0.8 * values[0], values


@TRAINED
def test_a_degenerate_box_leaves_loss_and_gradient_finite(case):
  tracker, filled = build(case)
  batch = batch_of(tracker, 2)
  flat = batch.replace(search_box=batch.search_box.at[0, 2:].set(0.0))
  value, grads = gradient(case)(filled['params'], flat)
  assert np.isfinite(value)
  assert all(np.isfinite(g).all() for g in jax.tree.leaves(grads))


@pytest.mark.parametrize(
  'case',
  [
    ('nanotrack', 'residual_acm', 'mobilenet_v3_small'),
    ('siamban', 'acm', 'resnet50'),
    ('siamfc', 'acm', 'alexnet'),
    ('siamrpn', 'up_xcorr', 'alexnet'),
  ],
  ids='-'.join,
)
def test_encode_then_respond_equals_call(case):
  tracker, filled = build(case)
  batch = batch_of(tracker, 2)
  network, size = tracker.network, batch.template_box[:, 2:]
  template, search = map(tracker.preprocess, (batch.template, batch.search))
  whole = jax.jit(network.apply)(filled, template, size, search)
  encode = functools.partial(network.apply, method='encode')
  kernel = jax.jit(encode)(filled, template, size)
  respond = functools.partial(network.apply, method='respond')
  parts = jax.jit(respond)(filled, kernel, search)
  # Separate programs may sum in a different order.
  close = functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-4)
  jax.tree.map(close, whole, parts)


@pytest.mark.parametrize('name', ['siamban', 'siamrpn'])
def test_decode_inverts_targets(name):
  tracker, _ = build((name, 'dw_xcorr', 'alexnet'))
  batch = batch_of(tracker)
  targets = jax.jit(tracker.targets)(batch, jax.random.key(0))
  confident = 50.0 * jax.nn.one_hot(targets.cls, 2)
  half = tracker.search_size // 2
  decode = jax.jit(tracker.decode)
  for i in np.flatnonzero(batch.positive):
    candidates = decode(Outputs(cls=confident[i], loc=targets.loc[i]))
    best = np.argmax(candidates.score)
    assert targets.cls[i].ravel()[best] == 1
    box = candidates.box_cxcywh.reshape(-1, 4)[best]
    expected = batch.search_box[i] - jnp.array([half, half, 0, 0])
    # float32 rounding of coordinates up to 191.
    np.testing.assert_allclose(box, expected, atol=1e-4)


@pytest.mark.parametrize('name', trackers.names())
def test_the_score_map_has_a_probability_per_cell(name):
  tracker, filled = build((name, 'acm', next(iter(NETWORKS[name]))))
  outputs, _ = run(tracker, filled, batch_of(tracker, 3), Mode())
  scores = jax.jit(tracker.score_map)(outputs)
  cells = tracker.network.response_size(tracker.search_size)
  assert scores.shape == (cells, cells)
  assert ((scores >= 0) & (scores <= 1)).all()
  assert np.ptp(scores) > 0


def test_siamfc_selects_the_target_of_its_label_map():
  tracker, _ = build(('siamfc', 'xcorr', 'alexnet'))
  batch = batch_of(tracker)
  labels = tracker.label_map(jax.jit(tracker.targets)(batch, None))
  half = tracker.search_size // 2
  state = TrackState(
    center=jnp.full(2, 300.0),
    size=jnp.full(2, 60.0),
    fill=jnp.zeros(3),
    kernel=None,
  )
  select = jax.jit(tracker.select)
  for i in np.flatnonzero(batch.positive):
    outputs = 50.0 * (2.0 * labels[i] - 1)
    # Only the search crop of the unchanged scale shows the target.
    outputs = jnp.stack([0 * outputs - 50, outputs, 0 * outputs - 50])
    box = select(outputs, state, Hparams(0.0, 0.0, 1.0), 1.0).box_cxcywh
    offset = batch.search_box[i, :2] - half
    # Every location within 16 px of the centre is labelled as the target.
    assert jnp.linalg.norm(box[:2] - state.center - offset) <= 16


@pytest.mark.parametrize('name', ['nanotrack', 'siamban', 'siamrpn'])
def test_at_most_16_positives_and_48_negatives_have_a_weight(name):
  # With the default search crop, whose response map has more than 48 negatives.
  tracker = trackers.make(name)
  batch = batch_of(tracker)
  make = jax.jit(tracker.targets)
  targets, other = (make(batch, jax.random.key(seed)) for seed in (0, 1))
  for i, positive in enumerate(np.asarray(batch.positive)):
    counts = np.asarray(targets.cls_weight[i]) > 0
    is_target = np.asarray(targets.cls[i]) == 1
    assert (counts & is_target).sum() <= (16 if positive else 0)
    assert 0 < (counts & ~is_target).sum() <= (48 if positive else 16)
  assert not np.array_equal(targets.cls_weight, other.cls_weight)


@pytest.mark.parametrize(
  ('name', 'options', 'count'),
  [
    ('siamrpn', {'hidden': (128, 256, 512)}, 60.02),
    ('siamrpn', {}, 53.95),
    ('siamban', {}, 53.93),
    ('siamban', {'fusion': 'acm', 'head_size': 3}, 80.38),
    ('siamfc', {}, 2.34),
    # Without the neck, which the official network has and never uses.
    ('nanotrack', {}, 0.54),
  ],
  ids=[
    'long-term siamrpn',
    'siamrpn',
    'siamban',
    'siamban acm',
    'siamfc',
    'nanotrack',
  ],
)
def test_networks_have_the_official_number_of_parameters(name, options, count):
  tracker = trackers.make(name, **options)
  params = trackers.shapes(tracker)['params']
  millions = sum(leaf.size for leaf in jax.tree.leaves(params)) / 1e6
  assert round(millions, 2) == count


@pytest.mark.parametrize('name', ['siamban', 'siamfc'])
def test_bfloat16_changes_outputs_little_and_statistics_stay_float32(name):
  case = (name, 'acm', 'alexnet')
  tracker, filled = build(case)
  half = dataclasses.replace(tracker, dtype='bfloat16')
  batch = batch_of(tracker, 2)
  (full, _), (near, after) = (
    run(kind, filled, batch, TRAIN) for kind in (tracker, half)
  )
  near, full = (jax.tree.leaves(outputs)[0] for outputs in (near, full))
  assert near.dtype == jnp.float32
  assert {str(x.dtype) for x in jax.tree.leaves(after)} == {'float32'}
  difference = np.abs(near - full).max() / np.abs(full).max()
  # Eight bits of mantissa through a dozen layers; a smaller difference would
  # mean that the network ran in float32.
  assert 1e-4 < difference < 0.1


def test_channels_need_one_number_per_level():
  with pytest.raises(ValueError, match='one number per level'):
    trackers.make('siamban', hidden=(128, 256))


@pytest.mark.parametrize(
  ('options', 'message'),
  [
    ({'head_size': 2}, '`head_size`=2: give an odd number'),
    ({'head_size': 0}, '`head_size`=0: give an odd number'),
    ({'width': 0.0}, '`width`=0.0: give a factor above 0'),
    (
      {'fusion': 'up_xcorr', 'fusion_options': {'outputs': True}},
      'the tracker sets `outputs`; remove it',
    ),
    (
      {'fusion': 'acm', 'fusion_options': {'prio': False}},
      'acm has no option prio; choose from prior, extra_conv',
    ),
  ],
)
def test_settings_that_do_not_fit_a_network_are_refused(options, message):
  with pytest.raises(ValueError, match=message):
    trackers.make('siamban', **options)


def test_unknown_names_and_arguments_are_refused():
  with pytest.raises(ValueError, match=r'unknown tracker .*siamban'):
    trackers.make('siamban_acm')
  for name in trackers.names():
    with pytest.raises(ValueError, match='bakbone'):
      trackers.make(name, bakbone='alexnet')
  with pytest.raises(ValueError, match="`dtype`='float16': unknown"):
    trackers.make('siamban', dtype='float16')
  with pytest.raises(ValueError, match='`smallest_side`=-1'):
    trackers.make('siamban', smallest_side=-1.0)


def test_a_type_error_in_the_code_of_a_tracker_is_passed_on(
  tmp_path, monkeypatch
):
  (tmp_path / 'broken').mkdir()
  code = 'def make(*, size=1):\n  return len(size)\n'
  (tmp_path / 'broken' / '__init__.py').write_text(code)
  folders = [*trackers.__path__, str(tmp_path)]
  monkeypatch.setattr(trackers, '__path__', folders)
  with pytest.raises(TypeError, match="'int' has no len"):
    trackers.make('broken')
  with pytest.raises(ValueError, match=r"tracker broken: .* argument 'sice'"):
    trackers.make('broken', sice=2)


def test_only_siamfc_has_no_smallest_side_as_in_the_official_code():
  sides = {name: trackers.make(name).smallest_side for name in trackers.names()}
  assert sides.pop('siamfc') == 0
  assert set(sides.values()) == {10}


def test_these_tests_cover_all_registered_fusions():
  # NanoTrack has its own fusions, except for ACM.
  shared = (FUSIONS[name] for name in FUSIONS if name != 'nanotrack')
  covered = sorted(set(itertools.chain(*shared)))
  with pytest.raises(ValueError, match=', '.join(covered)):
    fusion.make('', 1, 1)
