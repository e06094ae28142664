"""Timing of the training loop, next to the training step alone."""

import contextlib
import io
import math
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
from jax.sharding import Mesh

from acm_jax.timing import inputs, peak
from acm_jax.timing.measure import Timed, Work
from acm_jax.training import sharding
from acm_jax.training.fit import Done, first_state, fit, jit_step
from acm_jax.training.log import RunLog
from acm_jax.training.plan import Plan, make_plan
from data_pipelines.batch import RawBatch
from data_pipelines.pipeline import DataSet, train_batches

# Number of steps in one timing, so that starting the loop does not matter.
STEPS = 10
# Section `phases` that trains all weights.
EVERYTHING = {'everything': {'from_epoch': 0, 'rates': (('', 1.0),)}}


def loops(
  name: str,
  sections: Mapping[str, Any],
  clips: Path,
  batch_size: int,
  others: Mapping[str, Callable[[int], Timed]] | None = None,
) -> Iterator[Work]:
  """Yields a `Work` with a config's training step alone, and the loop.

  Both augment, and train all weights, as the steps of `steps` do. The step
  alone always takes the same batch, which is on the devices. The loop reads its
  batches from a clip set, and logs as a run does.

  Args:
    name: Name of the config.
    sections: Sections of the config.
    clips: Folder of the clip set.
    batch_size: Number of pairs in a step.
    others: Additional implementations of the step; keys are names, values are
      functions that return what to time for a number of pairs.

  Raises:
    ValueError: The batch cannot be split over the devices.
  """
  train = {**sections['train'], 'batch_size': batch_size}
  train['pairs_per_epoch'] = max(batch_size, train['pairs_per_epoch'])
  plan = make_plan({**sections, 'train': train, 'phases': EVERYTHING})
  mesh = sharding.make_mesh(plan.sharding.fsdp)
  sharding.check_batch_size(batch_size, mesh, plan.train.accumulate)
  batches = train_batches(
    [DataSet(clips, gap=inputs.GAP)],
    batch_size=batch_size,
    seed=plan.train.seed,
    **plan.crop_sides,
    **sections['data'],
  )
  labels = {'network': name, 'of': f'{batch_size} pairs'}
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
    forms = {'step': _Step(plan, next(batches), mesh), 'loop': loop}
    forms |= {k: form(batch_size) for k, form in (others or {}).items()}
    yield Work(labels, forms, repeats=STEPS)


class _Step:
  """Takes training steps on one batch; the state goes on from call to call."""

  def __init__(self, plan: Plan, batch: RawBatch, mesh: Mesh):
    self._step = jit_step(plan, plan.phase(0), mesh)
    self._state = first_state(plan, mesh)
    self._rest = sharding.put(batch, mesh), plan.key
    self._peak = peak.peak(plan.tracker.dtype, plan.precision)
    lowered = self._step.lower(self._state, *self._rest)
    self._flops = lowered.cost_analysis()['flops'] / mesh.size
    self._least = math.inf

  def __call__(self) -> jax.Array:
    begun = time.perf_counter()
    for _ in range(STEPS):
      self._state, _ = self._step(self._state, *self._rest)
    jax.block_until_ready(self._state)
    self._least = min(self._least, (time.perf_counter() - begun) / STEPS)
    return self._state.step

  @property
  def note(self) -> str:
    """Operations of a step, and their share of the peak of a device."""
    rate = self._flops / self._least
    return (
      f'{self._flops / 1e9:.1f} GFLOP, {rate / self._peak:.0%} of the measured '
      f'{self._peak / 1e9:.0f} GFLOP/s'
    )


class _Loop:
  """Takes training steps in the loop; the state goes on from call to call."""

  def __init__(
    self, plan: Plan, batches: Iterator[RawBatch], mesh: Mesh, log: RunLog
  ):
    self._plan, self._batches, self._mesh = plan, batches, mesh
    self._log, self._state = log, first_state(plan, mesh)
    # Metrics of the previous step, which the log waits for.
    self._metrics = None
    self._compiled, self._steps = False, 0
    self._spent = self._waited = self._logged = 0.0

  def __call__(self) -> jax.Array:
    begun = time.perf_counter()
    self._state = fit(
      self._plan, self._state, self._some(), self._mesh, (self._add,)
    )
    jax.block_until_ready(self._state)
    if self._compiled:
      self._spent += time.perf_counter() - begun
      self._steps += STEPS
    else:
      # The first call, which compiles, does not count.
      self._compiled, self._waited, self._logged = True, 0.0, 0.0
    return self._state.step

  def _some(self) -> Iterator[RawBatch]:
    for _ in range(STEPS):
      begun = time.perf_counter()
      batch = next(self._batches)
      self._waited += time.perf_counter() - begun
      yield batch

  def _add(self, done: Done) -> bool:
    jax.block_until_ready(self._metrics)
    begun = time.perf_counter()
    stops = self._log.add(done)
    self._logged += time.perf_counter() - begun
    self._metrics = done.metrics
    return stops

  @property
  def note(self) -> str:
    """Rate, and what batches and the log took, in all calls but the first."""
    pairs = self._steps * self._plan.train.batch_size
    return (
      f'{pairs / self._spent:.1f} pairs/s; of the time, '
      f'{self._waited / self._spent:.1%} waiting for batches, '
      f'{self._logged / self._spent:.1%} logging'
    )
