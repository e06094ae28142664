"""The train step skips bad batches and is the same on one and eight devices."""

import dataclasses
import functools
import operator

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from acm_jax.modules import mode
from acm_jax.training import plan as plans
from acm_jax.training import schedule, sharding
from data_pipelines import batch
from tests.training import fakes

DECAY = 0.2


class Run:
  """Compiled train step of the fake tracker on the devices of a mesh."""

  def __init__(self, mesh, fsdp=1, tracker=None, **settings):
    self.mesh = mesh
    train = {**fakes.PLAN['train'], 'ema_decay': DECAY, **settings}
    config = {**fakes.PLAN, 'train': train, 'sharding': {'fsdp': fsdp}}
    self.plan = plans.make_plan(config, tracker or fakes.FakeTracker())
    phase = self.plan.phase(0)
    initial = functools.partial(self.plan.initial_state, phase)
    shardings = self.plan.state_sharding(self.plan.state_shapes(phase), mesh)
    self.first = jax.jit(initial, out_shardings=shardings)()
    self._step = jax.jit(
      self.plan.step_function(phase),
      out_shardings=(shardings, sharding.replicated(mesh)),
    )

  def raw(self, seed=0):
    return batch.fake(
      self.plan.train.batch_size, *self.plan.crop_sides.values(), seed
    )

  def step(self, state, raw):
    return self._step(state, sharding.put(raw, self.mesh), self.plan.key)

  def steps(self, count, name):
    state, values = self.first, []
    for seed in range(count):
      state, metrics = self.step(state, self.raw(seed))
      values.append(float(metrics[name]))
    return values, state


@pytest.fixture(scope='module')
def eight():
  return Run(sharding.make_mesh())


@pytest.fixture(scope='module')
def one():
  return Run(fakes.one_device()).steps(4, 'loss')


@pytest.mark.parametrize('fsdp', [1, 4])
def test_eight_devices_have_the_losses_of_one(eight, one, fsdp):
  expected, state_one = one
  if fsdp > 1:
    eight = Run(sharding.make_mesh(fsdp), fsdp)
  assert eight.mesh.size == 8
  losses, state_eight = eight.steps(4, 'loss')
  kernel = state_eight.params['backbone']['Conv_0']['kernel']
  momentum = {
    leaf.sharding.spec
    for leaf in jax.tree.leaves(state_eight.opt_state)
    if leaf.shape == state_eight.params['head']['Conv_0']['kernel'].shape
  }
  shard_size = 4 * 4 * 3 * 4 // fsdp
  assert kernel.addressable_shards[0].data.size == shard_size
  if fsdp > 1:
    assert momentum == {kernel.sharding.spec}
  # Sums in a different order, over four steps.
  np.testing.assert_allclose(losses, expected, rtol=1e-5)
  jax.tree.map(
    functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-6),
    jax.device_get(state_eight.params),
    jax.device_get(state_one.params),
  )


@pytest.mark.parametrize(
  ('size', 'message'),
  [
    (12, 'batch_size=12 cannot be split over 8 devices: make it 8 or 16'),
    (3, 'batch_size=3 cannot be split over 8 devices: make it 8'),
    (24, r'24 cannot be .* in 2 parts \(`accumulate`\): make it 16 or 32'),
  ],
)
def test_a_batch_size_that_cannot_be_split_is_refused_with_the_nearest(
  size, message
):
  accumulate = 2 if size == 24 else 1
  with pytest.raises(ValueError, match=message):
    sharding.check_batch_size(size, sharding.make_mesh(), accumulate)


def loss_and_gradients(plan, variables, samples, groups=1):
  """Computes the loss of samples whose groups pass the network one by one.

  Returns:
    The loss, the updated statistics of each group, and the gradients.
  """
  mode = plan.phase(0).mode(plan.shapes['params'])
  batch, targets = samples

  def loss_of(params):
    outputs, statistics = [], []
    size = len(batch.positive) // groups
    for first in range(0, groups * size, size):
      out, stats = plan.tracker.apply(
        variables | {'params': params},
        batch.template[first : first + size],
        batch.template_box[first : first + size, 2:],
        batch.search[first : first + size],
        mode=mode,
      )
      outputs.append(out)
      statistics.append(stats)
    outputs = jax.tree.map(lambda *x: jnp.concatenate(x), *outputs)
    return plan.tracker.loss(outputs, targets)[0], statistics

  (loss, statistics), grads = jax.jit(
    jax.value_and_grad(loss_of, has_aux=True)
  )(variables['params'])
  return loss, statistics, grads


def every(count, run):
  """Yields the parts of the first step's batch and targets."""
  plan = run.plan
  key = jax.random.fold_in(jax.random.key(plan.train.seed), 0)
  augment_key, target_key, _ = jax.random.split(key, 3)
  batch = jax.jit(plan.distort)(run.raw(), augment_key)
  samples = batch, plan.tracker.targets(batch, target_key)
  for part in range(count):
    rows = slice(part, None, count)
    yield jax.tree.map(operator.itemgetter(rows), samples)


def mean(*trees):
  return jax.tree.map(lambda *x: sum(x) / len(x), *trees)


# Sums in a different order.
assert_close = functools.partial(np.testing.assert_allclose, rtol=1e-5)


def test_accumulated_gradients_are_the_average_of_the_parts():
  run = Run(fakes.one_device(), accumulate=2)
  variables, losses, grads = run.first.variables, [], []
  for samples in every(2, run):
    loss, (statistics,), gradient = loss_and_gradients(
      run.plan, variables, samples
    )
    variables = variables | {'batch_stats': statistics}
    losses.append(loss)
    grads.append(gradient)
  after, metrics = run.step(run.first, run.raw())
  assert_close(metrics['loss'], mean(*losses))
  assert_close(metrics['grad_norm'], optax.tree.norm(mean(*grads)))
  jax.tree.map(assert_close, after.batch_stats, variables['batch_stats'])


@pytest.mark.parametrize('accumulate', [1, 2])
def test_every_group_of_batch_norms_has_its_own_statistics(accumulate):
  run = Run(fakes.one_device(), accumulate=accumulate, norm_groups=2)
  variables, losses = run.first.variables, []
  for samples in every(accumulate, run):
    loss, statistics, _ = loss_and_gradients(run.plan, variables, samples, 2)
    variables = variables | {'batch_stats': mean(*statistics)}
    losses.append(loss)
  after, metrics = run.step(run.first, run.raw())
  assert_close(metrics['loss'], mean(*losses))
  jax.tree.map(assert_close, after.batch_stats, variables['batch_stats'])
  whole, _ = Run(fakes.one_device()).step(run.first, run.raw())
  same = jax.tree.map(np.allclose, after.batch_stats, whole.batch_stats)
  assert not all(jax.tree.leaves(same))


def test_eight_devices_have_the_step_of_one_in_parts_and_groups():
  settings = {'accumulate': 2, 'norm_groups': 2, 'batch_size': 16}
  losses, one = Run(fakes.one_device(), **settings).steps(1, 'loss')
  others, eight = Run(sharding.make_mesh(), **settings).steps(1, 'loss')
  assert_close(others, losses)
  jax.tree.map(
    functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-6),
    jax.device_get(eight.variables),
    jax.device_get(one.variables),
  )


def test_the_gradient_factor_replaces_a_sum_over_devices():
  one, three = (
    Run(fakes.one_device(), gradient_factor=factor) for factor in (1.0, 3.0)
  )
  _, before = one.step(one.first, one.raw())
  _, after = three.step(three.first, three.raw())
  assert_close(after['grad_norm'], 3 * before['grad_norm'])


@pytest.mark.parametrize(
  ('settings', 'message'),
  [
    ({'accumulate': 3}, 'batch_size=8 must be a multiple of accumulate=3'),
    ({'accumulate': 2, 'norm_groups': 8}, 'times norm_groups=8'),
    ({'norm_groups': 0}, 'norm_groups=0 must be a whole number above 0'),
    ({'gradient_factor': 0.0}, 'gradient_factor=0.0 must be above 0'),
  ],
)
def test_settings_of_the_step_that_do_not_fit_are_refused(settings, message):
  with pytest.raises(ValueError, match=message):
    Run(fakes.one_device(), **settings)


@pytest.mark.parametrize('bad', [np.nan, np.inf, 1e8], ids=str)
def test_a_non_finite_step_changes_nothing_and_is_counted(eight, bad):
  good, state = eight.raw(), eight.first
  broken = good._replace(search_box=np.full_like(good.search_box, bad))
  after, metrics = eight.step(state, broken)
  for name in ('params', 'batch_stats', 'opt_state', 'average'):
    jax.tree.map(
      np.testing.assert_array_equal, getattr(after, name), getattr(state, name)
    )
  assert (after.step, after.skipped, after.skipped_in_a_row) == (1, 1, 1)
  assert metrics['skipped_in_a_row'] == 1
  after, _ = eight.step(after, good)
  assert (after.step, after.skipped, after.skipped_in_a_row) == (2, 1, 0)


def test_the_average_follows_all_steps_that_are_not_skipped(eight):
  state, broken = eight.first, eight.raw()
  broken = broken._replace(search_box=np.full_like(broken.search_box, np.nan))
  expected = jax.device_get(state.variables)
  # The decay warms up to DECAY; a skipped step does not advance the warm-up.
  decays = iter([1 / 10, 2 / 11, DECAY])
  assert DECAY < 3 / 12
  for seed, raw in enumerate(
    [eight.raw(0), broken, eight.raw(1), eight.raw(2)]
  ):
    state, _ = eight.step(state, raw)
    if seed == 1:
      continue
    decay = next(decays)
    expected = jax.tree.map(
      lambda a, b, d=decay: d * a + (1 - d) * b,
      expected,
      jax.device_get(state.variables),
    )
  # Sums of a few float32 numbers.
  jax.tree.map(
    functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-7),
    jax.device_get(state.average),
    expected,
  )


def test_a_finite_gradient_that_breaks_the_weights_is_skipped(eight):
  plan = dataclasses.replace(eight.plan, rate=np.array([np.inf]))
  # A rate above the largest float32 becomes infinite.
  broken = jax.jit(plan.step_function(plan.phase(0)))
  after, metrics = broken(eight.first, eight.raw(), plan.key)
  assert np.isfinite([metrics['loss'], metrics['grad_norm']]).all()
  jax.tree.map(np.testing.assert_array_equal, after.params, eight.first.params)
  assert after.skipped == 1


def test_frozen_parts_keep_their_weights_and_statistics(eight):
  before, (_, after) = eight.first, eight.steps(1, 'loss')
  for name in ('params', 'batch_stats'):
    old, new = getattr(before, name), getattr(after, name)
    jax.tree.map(
      np.testing.assert_array_equal, old['backbone'], new['backbone']
    )
    moved = jax.tree.map(
      lambda a, b: bool(jnp.any(a != b)), old['head'], new['head']
    )
    assert all(jax.tree.leaves(moved))


def test_frozen_statistics_are_used_and_kept_while_scales_train(eight):
  tracker, variables = eight.plan.tracker, eight.first.variables
  batch = jax.jit(eight.plan.distort)(eight.raw(), jax.random.key(0))

  @functools.partial(jax.jit, static_argnums=1)
  def apply(params, mode):
    return tracker.apply(
      variables | {'params': params},
      batch.template,
      batch.template_box[:, 2:],
      batch.search,
      mode=mode,
    )

  params, trains = variables['params'], mode.Mode(training=True)
  frozen = dataclasses.replace(trains, frozen_statistics=('backbone/', 'he'))
  outputs, statistics = apply(params, frozen)
  expected, _ = apply(params, mode.EVAL)
  jax.tree.map(np.testing.assert_array_equal, outputs, expected)
  jax.tree.map(
    np.testing.assert_array_equal, statistics, variables['batch_stats']
  )
  # A part that matches no expression updates its statistics.
  half = dataclasses.replace(trains, frozen_statistics=('backbone/',))
  _, statistics = apply(params, half)
  same = jax.tree.map(
    lambda a, b: bool((a == b).all()), statistics, variables['batch_stats']
  )
  assert jax.tree.leaves(same) == [True, True, False, False]
  slope = jax.grad(lambda params: jnp.sum(apply(params, frozen)[0]['mask']))(
    params
  )
  norm = slope['backbone']['BatchNorm_0']
  assert jnp.any(norm['scale'])
  assert jnp.any(norm['bias'])


def test_a_frozen_module_inside_a_part_that_trains_keeps_its_statistics(eight):
  phase = schedule.make_phase(
    'some', from_epoch=0, rates=(('head/BatchNorm_0', 0.0), ('', 1.0))
  )
  state = jax.jit(lambda: eight.plan.initial_state(phase))()
  step = jax.jit(eight.plan.step_function(phase))
  after, _ = step(state, eight.raw(), eight.plan.key)
  same = jax.tree.map(
    lambda a, b: bool((a == b).all()), state.batch_stats, after.batch_stats
  )
  assert same['head']['BatchNorm_0'] == {'mean': True, 'var': True}
  assert same['backbone']['BatchNorm_0'] == {'mean': False, 'var': False}


def test_dropout_differs_between_steps_but_not_between_runs():
  network = fakes.FakeNetwork(dropout=0.5)
  run = Run(fakes.one_device(), tracker=fakes.FakeTracker(network))
  raw, first = run.raw(), run.first
  later = first.replace(step=first.step + 1)
  losses = [run.step(state, raw)[1]['loss'] for state in (first, first, later)]
  assert losses[0] == losses[1] != losses[2]


def test_the_learning_rate_is_that_of_the_epoch(eight):
  count = eight.plan.train.steps_per_epoch
  rates, _ = eight.steps(count + 1, 'rate')
  expected = [eight.plan.rate[0]] * count + [eight.plan.rate[1]]
  np.testing.assert_allclose(rates, expected, rtol=1e-6)
