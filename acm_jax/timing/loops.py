"""Timing of the training loop, next to the training step alone."""

import contextlib
import io
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
from jax.sharding import Mesh

from acm_jax.timing import inputs
from acm_jax.timing.measure import Work
from acm_jax.training import sharding
from acm_jax.training.fit import fit, jit_step
from acm_jax.training.log import RunLog
from acm_jax.training.plan import Plan, make_plan
from acm_jax.training.state import TrainState
from data_pipelines.batch import RawBatch
from data_pipelines.pipeline import DataSet, train_batches

# Number of steps in one timing, so that starting the loop does not matter.
STEPS = 10


def loops(
  name: str, sections: Mapping[str, Any], clips: Path, batch_size: int
) -> Iterator[Work]:
  """Yields a `Work` with the step alone and the loop of a config's first phase.

  Both augment. The step alone always takes the same batch, which is on the
  devices. The loop reads its batches from a clip set, and logs as a run does.

  Args:
    name: Name of the config.
    sections: Sections of the config.
    clips: Folder of the clip set.
    batch_size: Number of pairs in a step.

  Raises:
    ValueError: The batch cannot be split over the devices.
  """
  train = {**sections['train'], 'batch_size': batch_size}
  train['pairs_per_epoch'] = max(batch_size, train['pairs_per_epoch'])
  plan = make_plan({**sections, 'train': train})
  mesh = sharding.make_mesh(plan.sharding.fsdp)
  sharding.check_batch_size(batch_size, mesh, plan.train.accumulate)
  batches = train_batches(
    [DataSet(clips, gap=inputs.GAP)],
    batch_size=batch_size,
    seed=plan.train.seed,
    **plan.crop_sides,
    **sections['data'],
  )
  labels = {'network': name, 'of': f'{STEPS} steps of {batch_size} pairs'}
  with (
    contextlib.closing(batches),
    tempfile.TemporaryDirectory() as folder,
    # The progress of the loop would interrupt the table.
    contextlib.redirect_stdout(io.StringIO()),
    RunLog(
      Path(folder),
      first_step=0,
      total_steps=plan.total_steps,
      batch_size=batch_size,
      every=plan.log.every,
    ) as log,
  ):
    loop = _Loop(plan, batches, mesh, log)
    yield Work(labels, {'step': _Step(plan, next(batches), mesh), 'loop': loop})


class _Step:
  """Takes training steps on one batch; the state goes on from call to call."""

  def __init__(self, plan: Plan, batch: RawBatch, mesh: Mesh):
    self._step = jit_step(plan, plan.phase(0), mesh)
    self._state = _first_state(plan, mesh)
    self._batch = sharding.put(batch, mesh)

  def __call__(self) -> jax.Array:
    for _ in range(STEPS):
      self._state, _ = self._step(self._state, self._batch, None)
    return self._state.step


class _Loop:
  """Takes training steps in the loop; the state goes on from call to call."""

  def __init__(
    self, plan: Plan, batches: Iterator[RawBatch], mesh: Mesh, log: RunLog
  ):
    self._plan, self._batches, self._mesh = plan, batches, mesh
    self._log, self._state = log, _first_state(plan, mesh)
    self._compiled, self._spent, self._waited = False, 0.0, 0.0

  def __call__(self) -> jax.Array:
    begun = time.perf_counter()
    self._state = fit(
      self._plan, self._state, self._some(), self._mesh, (self._log.add,)
    )
    jax.block_until_ready(self._state)
    if self._compiled:
      self._spent += time.perf_counter() - begun
    else:
      # The first call, which compiles, does not count.
      self._compiled, self._waited = True, 0.0
    return self._state.step

  def _some(self) -> Iterator[RawBatch]:
    for _ in range(STEPS):
      begun = time.perf_counter()
      batch = next(self._batches)
      self._waited += time.perf_counter() - begun
      yield batch

  @property
  def note(self) -> str:
    """Share of the time of all calls but the first that batches took."""
    return f'{self._waited / self._spent:.1%} of the time waiting for batches'


def _first_state(plan: Plan, mesh: Mesh) -> TrainState:
  phase = plan.phase(0)
  shardings = plan.state_sharding(plan.state_shapes(phase), mesh)
  return jax.jit(lambda: plan.initial_state(phase), out_shardings=shardings)()
