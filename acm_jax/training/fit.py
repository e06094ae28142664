"""Training loop: takes steps from a given state to the end of a plan."""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import jax
from jax.sharding import Mesh

from acm_jax.tracking import programs
from acm_jax.training import sharding
from acm_jax.training.plan import Plan
from acm_jax.training.schedule import Phase
from acm_jax.training.state import TrainState
from acm_jax.training.step import Metrics
from data_pipelines.batch import RawBatch


class Done(NamedTuple):
  """A training step that was started and may still be running on the device.

  Attributes:
    step: Number of steps so far, including this step.
    state: State after the step. The next step reuses the memory of this state;
      copy everything that must be kept.
    metrics: Metrics of the step, as scalars on the device.
    batch: Batch of the step, before augmentation, on the host.
  """

  step: int
  state: TrainState
  metrics: Metrics
  batch: RawBatch


# Function that is called after every step and returns whether to stop training.
Hook = Callable[[Done], bool]


def first_state(plan: Plan, mesh: Mesh) -> TrainState:
  """Creates the state before the first step, with random weights, on a mesh."""
  phase = plan.phase(0)
  create = jax.jit(
    functools.partial(plan.initial_state, phase),
    out_shardings=plan.state_sharding(plan.state_shapes(phase), mesh),
    compiler_options=programs.options_to_run_once(),
  )
  return create()


@functools.lru_cache(maxsize=2)
def jit_step(plan: Plan, phase: Phase, mesh: Mesh) -> jax.stages.Wrapped:
  """Builds the step of a phase on a mesh; the first call compiles it.

  The step reuses the memory of the state that it is given. Equal arguments give
  the same function, so that training can go on without compiling again.
  """
  shapes = plan.state_shapes(phase)
  return jax.jit(
    plan.step_function(phase),
    donate_argnums=0,
    out_shardings=(
      plan.state_sharding(shapes, mesh),
      sharding.replicated(mesh),
    ),
    compiler_options=programs.options(),
  )


@functools.lru_cache(maxsize=2)
def _key(plan: Plan, mesh: Mesh) -> jax.Array:
  """Returns the random key of a run, on all devices of a mesh.

  Devices of other processes can be given a key only by a program.
  """
  return jax.jit(lambda: plan.key, out_shardings=sharding.replicated(mesh))()


def fit(
  plan: Plan,
  state: TrainState,
  batches: Iterator[RawBatch],
  mesh: Mesh,
  hooks: Sequence[Hook] = (),
) -> TrainState:
  """Trains to the end of a plan or of the batches, or until a hook stops it.

  The step is compiled once per phase, because different parameters train in
  different phases. After each step, all hooks are called, even if one of them
  stops training.

  Args:
    plan: Tracker, optimizer and schedule.
    state: State to start from, on `mesh`. Do not use it afterwards, because its
      memory is reused.
    batches: Batches of the remaining steps; training ends with the last of
      them. If several processes train together, each process passes its own
      part of every batch.
    mesh: Mesh of the devices to train on.
    hooks: Functions to call after every step.

  Returns:
    The state after the last step.
  """
  first_step, compiled = int(state.step), None
  phase = plan.phase_before(first_step)
  everywhere = sharding.replicated(mesh)
  key, teacher_variables = _key(plan, mesh), None
  if plan.teacher:
    teacher_variables = jax.device_put(
      jax.device_get(plan.teacher.model.variables), everywhere
    )
  for step in range(first_step, plan.total_steps):
    if plan.phase(step) != phase:
      phase, compiled = plan.phase(step), None
      state = plan.enter(phase, state)
      state = jax.device_put(state, plan.state_sharding(state, mesh))
    if compiled is None:
      compiled = jit_step(plan, phase, mesh)
    # Traces show a step by this name and number.
    with jax.profiler.StepTraceAnnotation('step', step_num=step + 1):
      batch = next(batches, None)
      if batch is None:
        break
      state, metrics = compiled(
        state, sharding.put(batch, mesh), key, teacher_variables
      )
    done = Done(step + 1, state, metrics, batch)
    stops = [hook(done) for hook in hooks]
    if any(stops):
      break
  return state
