"""What every tracker promises, for every tracker and fusion there is."""

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
from acm_jax.trackers.nanotrack.network import NanoBranch
from acm_jax.tracking.contract import Batch, Outputs
from tests import variables

FUSIONS = {
  'nanotrack': ('acm', 'nano_xcorr', 'residual_acm'),
  'siamban': ('acm', 'dw_xcorr', 'up_xcorr'),
  'siamfc': ('acm', 'dw_xcorr', 'xcorr'),
  'siamrpn': ('acm', 'dw_xcorr', 'up_xcorr'),
}
# Small, and of every structure: one level without a neck, several with one.
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
]
# NanoTrack's residual form has all parts of the two others.
COMPILED = [
  case for case in CASES if case[0] != 'nanotrack' or case[1] == 'residual_acm'
]
compiled = pytest.mark.parametrize('case', COMPILED, ids='-'.join)
every = pytest.mark.parametrize(
  'case', CASES, ids=['-'.join(case) for case in CASES]
)
one_network = pytest.mark.parametrize(
  'case',
  [
    # To compile the gradient of its 25 taps takes half a minute.
    pytest.param(case, marks=pytest.mark.slow if case[0] == 'nanotrack' else ())
    for case in COMPILED
    if case[2] == next(iter(NETWORKS[case[0]]))
  ],
  ids='-'.join,
)
# Those that keep some of the places of a label map.
SAMPLED = (
  ('nanotrack', 'mobilenet_v3_small'),
  ('siamban', 'alexnet'),
  ('siamrpn', 'alexnet'),
)
TRAIN = Mode(training=True)


@functools.cache
def made(case):
  name, fusion_name, network = case
  tracker = trackers.make(
    name,
    fusion=fusion_name,
    width=1 / 16,
    **NETWORKS[name][network],
  )
  filled = variables.fill(tracker.init_variables)
  # Of half the scale, as exp() of the outputs of a fresh UP-XCorr overflows.
  params = jax.tree.map(lambda x: x / 2, filled['params'])
  return tracker, {**filled, 'params': params}


def batch_of(tracker, count=4):
  rng = np.random.default_rng(2)

  def crops(size):
    shape = (count, size, size, 3)
    return jnp.asarray(rng.uniform(0, 255, shape), jnp.float32)

  center = rng.uniform(100, 150, (count, 2))
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
def test_shapes_of_outputs_and_targets_agree(case):
  tracker, filled = made(case)
  batch = batch_of(tracker)

  def train(filled, batch, key):
    outputs, _ = run(tracker, filled, batch, TRAIN)
    targets = tracker.targets(batch, key)
    return outputs, targets, *tracker.loss(outputs, targets)

  outputs, targets, loss, parts = jax.eval_shape(
    train, filled, batch, jax.random.key(0)
  )
  assert outputs.cls.shape[:-1] == targets.cls.shape
  assert outputs.loc.shape == targets.loc.shape
  assert loss.shape == () == jax.tree.leaves(parts)[0].shape


@functools.cache
def gradient(case):
  """Of the loss by the parameters: compiled once for all tests of a case."""
  tracker, filled = made(case)

  def loss(params, batch):
    outputs, _ = run(tracker, {**filled, 'params': params}, batch, TRAIN)
    targets = tracker.targets(batch, jax.random.key(0))
    return tracker.loss(outputs, targets)[0]

  return jax.jit(jax.value_and_grad(loss))


@one_network
def test_loss_falls_on_one_batch(case):
  tracker, filled = made(case)
  batch, params, values = batch_of(tracker, 2), filled['params'], []
  for _ in range(12):
    value, grads = gradient(case)(params, batch)
    norm = np.sqrt(sum(np.sum(g**2) for g in jax.tree.leaves(grads)))
    rate = 0.1 / norm
    params = jax.tree.map(lambda p, g, rate=rate: p - rate * g, params, grads)
    values.append(float(value))
  assert values[-1] < 0.8 * values[0], values


@one_network
def test_a_degenerate_box_leaves_loss_and_gradient_finite(case):
  tracker, filled = made(case)
  batch = batch_of(tracker, 2)
  flat = batch.replace(search_box=batch.search_box.at[0, 2:].set(0.0))
  value, grads = gradient(case)(filled['params'], flat)
  assert np.isfinite(value)
  assert all(np.isfinite(g).all() for g in jax.tree.leaves(grads))


@compiled
def test_encode_then_respond_equals_call(case):
  tracker, filled = made(case)
  batch = batch_of(tracker, 2)
  network, size = tracker.network, batch.template_box[:, 2:]
  template, search = map(tracker.preprocess, (batch.template, batch.search))
  whole = jax.jit(network.apply)(filled, template, size, search)
  encode = functools.partial(network.apply, method='encode')
  kernel = jax.jit(encode)(filled, template, size)
  respond = functools.partial(network.apply, method='respond')
  parts = jax.jit(respond)(filled, kernel, search)
  # Two programs may sum in another order than one.
  close = functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-4)
  jax.tree.map(close, whole, parts)


@one_network
def test_decode_inverts_targets(case):
  tracker, filled = made(case)
  batch = batch_of(tracker)
  targets = jax.jit(tracker.targets)(batch, jax.random.key(0))
  outputs, _ = jax.eval_shape(lambda: run(tracker, filled, batch, TRAIN))
  sure = sure_of(targets.cls, outputs.cls.shape[-1])
  half = tracker.search_size // 2
  decode = jax.jit(tracker.decode)
  for i in np.flatnonzero(batch.positive):
    outputs = Outputs(cls=sure[i], loc=targets.loc[i])
    candidates = decode(outputs)
    best = np.argmax(candidates.score)
    assert targets.cls[i].ravel()[best] == 1
    box = candidates.box_cxcywh.reshape(-1, 4)[best]
    wanted = batch.search_box[i] - jnp.array([half, half, 0, 0])
    if targets.loc.shape[-1]:
      # float32 of coordinates up to 255.
      np.testing.assert_allclose(box, wanted, atol=1e-4)
    else:
      # Of SiamFC every place within 16 px is as good.
      assert jnp.linalg.norm(box[:2] - wanted[:2]) <= 16


def sure_of(cls, channels):
  """Logits without a doubt about the classes."""
  if channels == 1:
    return 50.0 * (2.0 * cls[..., None] - 1)
  return 50.0 * jax.nn.one_hot(cls, channels)


@pytest.mark.parametrize(
  'case',
  [case for case in CASES if case[::2] in SAMPLED],
  ids='-'.join,
)
def test_at_most_16_positives_and_48_negatives_count(case):
  tracker, _ = made(case)
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
def test_networks_have_as_many_parameters_as_the_official_ones(
  name, options, count
):
  tracker = trackers.make(name, **options)
  params = jax.eval_shape(tracker.init_variables, jax.random.key(0))['params']
  millions = sum(leaf.size for leaf in jax.tree.leaves(params)) / 1e6
  assert round(millions, 2) == count


@pytest.mark.parametrize('name', ['siamban', 'siamfc'])
def test_in_bfloat16_outputs_are_near_and_weights_and_statistics_stay(name):
  case = (name, 'acm', 'alexnet')
  tracker, filled = made(case)
  half = dataclasses.replace(tracker, dtype='bfloat16')
  batch = batch_of(tracker, 2)
  (full, _), (near, after) = (
    run(kind, filled, batch, TRAIN) for kind in (tracker, half)
  )
  assert near.cls.dtype == jnp.float32
  assert {str(x.dtype) for x in jax.tree.leaves(after)} == {'float32'}
  difference = np.abs(near.cls - full.cls).max() / np.abs(full.cls).max()
  # Eight bits of mantissa, through a dozen layers; and it is not float32.
  assert 1e-4 < difference < 0.1


def test_channels_must_be_of_each_level():
  with pytest.raises(ValueError, match='not one number for each of'):
    trackers.make('siamban', hidden=(128, 256))


@pytest.mark.parametrize(
  ('options', 'message'),
  [
    ({'fusion': 'dw_xcorr'}, 'no fusion .*residual_acm'),
    ({'levels': (8, 9)}, 'nanotrack fuses one level'),
    ({'template_size': 40}, 'crops the middle 4 of an even number'),
    ({'fusion': 'acm', 'fusion_options': {'cells': 3}}, 'cells=3: an even'),
    ({'fusion_options': {'prior': True}}, 'no prior of fusion nano_xcorr'),
  ],
)
def test_nanotrack_refuses_what_does_not_fit(options, message):
  with pytest.raises(ValueError, match=message):
    trackers.make('nanotrack', **options)


def test_residual_acm_equals_the_correlations_at_first():
  plain, residual = (
    NanoBranch(2, 16, 8, fusion) for fusion in ('nano_xcorr', 'residual_acm')
  )
  rng = np.random.default_rng(0)
  template, search = (
    jnp.asarray(rng.standard_normal((1, cells, cells, 16)), jnp.float32)
    for cells in (8, 16)
  )
  box_size = jnp.full((1, 2), 40.0)

  def respond(branch):
    kernel = branch.encode(template, box_size, train=False)
    return branch.respond(kernel, search, train=False)[0]

  key = jax.random.key(0)
  begun = jax.jit(lambda: residual.init(key, method=respond))()
  shared = {
    name: {part: tree[part] for part in tree if part not in ('acm', 'join')}
    for name, tree in begun.items()
  }
  one = jax.jit(lambda: plain.apply(shared, method=respond))()
  other = jax.jit(lambda: residual.apply(begun, method=respond))()
  # Two programs may sum in another order.
  np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_nanotrack_learns_nothing_from_a_teachers_false_alarms():
  tracker = trackers.make('nanotrack', hidden=16, width=0.25)
  rng = np.random.default_rng(0)
  student, teacher = (
    Outputs(
      cls=jnp.asarray(rng.standard_normal((2, 15, 15, 2)), jnp.float32),
      loc=jnp.asarray(rng.uniform(1, 30, (2, 15, 15, 4)), jnp.float32),
    )
    for _ in range(2)
  )
  nothing = jnp.zeros(2, bool)
  _, alarmed = tracker.imitation(student, teacher, nothing)
  silent = teacher.replace(cls=teacher.cls.at[..., 0].add(50.0))
  _, calm = tracker.imitation(student, silent, nothing)
  assert alarmed['loc'] == calm['loc'] == 0
  np.testing.assert_allclose(alarmed['cls'], calm['cls'], rtol=1e-5)
  _, seen = tracker.imitation(student, teacher, ~nothing)
  assert seen['loc'] > 0


def test_unknown_names_and_arguments_are_refused():
  with pytest.raises(ValueError, match=r'no tracker .*siamban'):
    trackers.make('siamban_acm')
  with pytest.raises(ValueError, match='bakbone'):
    trackers.make('siamban', bakbone='alexnet')
  with pytest.raises(ValueError, match='prio'):
    trackers.make('siamban', fusion='acm', fusion_options={'prio': False}).init(
      jax.random.key(0)
    )


def test_fusions_here_are_all_there_are():
  # NanoTrack's are its own, but for ACM.
  others = (FUSIONS[name] for name in FUSIONS if name != 'nanotrack')
  here = sorted(set(itertools.chain(*others)))
  with pytest.raises(ValueError, match=', '.join(here)):
    fusion.make('', 1, 1)
