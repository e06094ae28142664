"""Tests that `fit` runs steps, calls hooks and stops."""

import dataclasses
import functools

import jax
import numpy as np

from acm_jax.training import sharding
from acm_jax.training.fit import first_state, fit, jit_step
from tests.training import fakes


def start(plan, mesh, step=0):
  """Returns a state on a mesh, and the batches from a step on."""
  phase = plan.phase_before(step)
  state = plan.initial_state(phase)
  state = dataclasses.replace(state, step=state.step + step)
  state = jax.device_put(state, plan.state_sharding(state, mesh))
  return state, fakes.Batches().of(plan)(step)


def test_the_first_state_is_the_initial_state_split_over_the_devices():
  plan = fakes.make_plan({**fakes.PLAN, 'sharding': {'fsdp': 2}})
  mesh = sharding.make_mesh(plan.sharding.fsdp)
  state = first_state(plan, mesh)
  expected = plan.initial_state(plan.phase(0))
  # The program may round in a different order.
  close = functools.partial(np.testing.assert_allclose, rtol=1e-6)
  jax.tree.map(close, state, expected)
  placed = plan.placed_shapes(plan.phase(0), mesh)
  assert jax.tree.map(lambda x: x.sharding, state) == jax.tree.map(
    lambda x: x.sharding, placed
  )
  assert not all(x.is_fully_replicated for x in jax.tree.leaves(state))


def test_runs_that_differ_in_the_seed_alone_have_the_same_program():
  def program(seed):
    train = {**fakes.PLAN['train'], 'seed': seed}
    plan = fakes.make_plan({**fakes.PLAN, 'train': train})
    phase = plan.phase(0)
    arguments = plan.state_shapes(phase), plan.batch_shapes(), plan.key
    return jit_step(plan, phase, fakes.one_device()).lower(*arguments).as_text()

  assert program(0) == program(1)


def test_hooks_see_every_step_with_its_state_metrics_and_batch():
  plan, mesh = fakes.make_plan(), fakes.one_device()
  seen = []

  def hook(done):
    seen.append((done.step, int(done.state.step), float(done.metrics['loss'])))
    assert done.batch.search.shape[0] == plan.train.batch_size
    return False

  state = fit(plan, *start(plan, mesh), mesh, [hook])
  assert int(state.step) == plan.total_steps == 8
  assert [each[:2] for each in seen] == [(n, n) for n in range(1, 9)]
  assert np.isfinite([loss for *_, loss in seen]).all()


def test_training_stops_after_all_hooks_of_the_step():
  plan, mesh = fakes.make_plan(), fakes.one_device()
  calls = []

  def stop(done):
    calls.append(('stop', done.step))
    return done.step == 3

  def other(done):
    calls.append(('other', done.step))
    return False

  state = fit(plan, *start(plan, mesh), mesh, [stop, other])
  assert int(state.step) == 3
  assert calls[-2:] == [('stop', 3), ('other', 3)]


def test_training_starts_at_the_step_of_the_state():
  plan, mesh = fakes.make_plan(), fakes.one_device()
  steps = []
  fit(
    plan,
    *start(plan, mesh, 5),
    mesh,
    [lambda done: steps.append(done.step)],
  )
  assert steps == [6, 7, 8]


def test_split_parameters_stay_split_through_a_change_of_phase():
  config = {**fakes.PLAN, 'sharding': {'fsdp': 4}}
  plan, mesh = fakes.make_plan(config), sharding.make_mesh(4)
  state = fit(plan, *start(plan, mesh), mesh)
  assert len(plan.phases) == 2
  kernel = state.params['backbone']['Conv_0']['kernel']
  assert kernel.addressable_shards[0].data.size == kernel.size // 4


def test_the_precision_of_the_plan_holds_whatever_the_process_has_set():
  class Watching(fakes.FakeTracker):
    def loss(self, outputs, targets):
      self.traces.append(jax.config.jax_default_matmul_precision)
      return super().loss(outputs, targets)

  tracker = Watching()
  plan = dataclasses.replace(
    fakes.make_plan(tracker=tracker), precision='bfloat16'
  )
  mesh = fakes.one_device()
  with jax.default_matmul_precision('highest'):
    fit(plan, *start(plan, mesh, 7), mesh)
  assert tracker.traces[0] == 'bfloat16'
