"""Trains in the folder of a run, from the newest checkpoint if there is one."""

import contextlib
import dataclasses
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
from absl import logging
from jax.experimental import multihost_utils
from jax.sharding import Mesh

from acm_jax.host.extras import extra
from acm_jax.tracking.contract import Variables
from acm_jax.training import curves, processes, resuming, sharding, transfer
from acm_jax.training import state as states
from acm_jax.training import workdir as workdirs
from acm_jax.training.checkpoints import Checkpoints, newest_step
from acm_jax.training.fit import Done, first_state, fit
from acm_jax.training.log import RunLog
from acm_jax.training.plan import Plan
from acm_jax.training.state import TrainState
from acm_jax.training.tracing import Trace
from acm_jax.training.validation import Validator
from data_pipelines.batch import RawBatch


def run(
  plan: Plan,
  sections: Mapping[str, Any],
  workdir: Path,
  batches_from: Callable[[int], Iterator[RawBatch]],
  mesh: Mesh,
  *,
  source: Variables | None = None,
  validator: Validator | None = None,
  profile: int = 0,
) -> None:
  """Trains to the end of the schedule and writes the folder of the run.

  The caller locks the folder; see `workdir.locked`.

  The network is validated at the start of a new run, at every regular
  checkpoint and at the end. The run ends early if the validations do not
  improve for as long as `patience` in the config section `validation` allows.
  SIGINT, SIGTERM and SIGHUP end the run after the current step. The state after
  that step is saved as a checkpoint; it is validated only if a regular
  checkpoint was due. If a batch cannot be read, the state before that batch is
  saved, too. Finally, the metrics are plotted.

  Args:
    plan: Plan of the run.
    sections: Sections of the config that the plan was made from. They are
      written to config.json.
    workdir: Folder of the run: config.json, checkpoints/, metrics.jsonl,
      TensorBoard events and curves.png.
    batches_from: Function that takes the number of steps already done, and
      returns an iterator over the batches of the remaining steps.
    mesh: Mesh of the devices to train on.
    source: Variables that a new run starts from (default: random variables).
    validator: Validator of the network; None to train without validation.
    profile: Number of steps to trace for JAX's profiler; see `Trace`.

  Raises:
    KeyboardInterrupt: A signal ended the run; the argument is its number.
    OSError: A batch cannot be read.
    Diverged: Ten consecutive steps were skipped.
    RuntimeError: The connection to another process was lost, or a checkpoint
      cannot be read, but need not be damaged.
    ValueError: `workdir` holds a run that cannot be resumed with `sections`, or
      data are damaged.
  """
  with (
    Checkpoints(
      workdir, plan.saving.keep, resuming.measured(sections), clean=True
    ) as checkpoints,
    _stop_on_signal() as stop,
  ):
    state = _begin(plan, mesh, checkpoints, source)
    first_step = int(state.step)
    batches = batches_from(first_step)
    # The config is written only now: if anything above fails, the folder keeps
    # its old config.
    if processes.is_first():
      changes = workdirs.claim(workdir, sections, newest_step(workdir))
      if changes:
        print(
          f'config changes from step {first_step} on: {changes}', flush=True
        )
    log = RunLog(
      workdir,
      first_step=first_step,
      total_steps=plan.total_steps,
      batch_size=plan.train.batch_size,
      every=plan.log.every,
      wandb=plan.log.wandb,
    )
    reading = _Reading(batches)
    with contextlib.closing(batches), log, contextlib.ExitStack() as stack:
      save = _Save(plan, checkpoints, validator, log, mesh)
      if validator and not checkpoints.steps:
        # The initial weights are saved too, since they may turn out to be the
        # best.
        save(state)
      hooks = [log.add, save.when_due, stop]
      if profile:
        hooks.append(stack.enter_context(Trace(workdir, profile)))
      if not save.stalled(first_step):
        with processes.explaining_failures():
          state = fit(plan, state, reading, mesh, hooks)
        log.flush()
        checkpoints.save(state)
  # Only after the last checkpoint is complete: a second signal may follow soon.
  if processes.is_first():
    with extra(workdir / curves.FILE):
      curves.write(workdir)
  if reading.error:
    raise reading.error
  if stop.received is not None:
    raise KeyboardInterrupt(stop.received)


@dataclasses.dataclass(frozen=True)
class _Save:
  """Function that validates a state, if there is a validator, and saves it.

  Attributes:
    plan: Plan of the run.
    checkpoints: Checkpoints to add to.
    validator: Validator of the network, if any.
    log: Log that receives the metrics of the validation.
    mesh: Mesh of the devices to train on.
  """

  plan: Plan
  checkpoints: Checkpoints
  validator: Validator | None
  log: RunLog
  mesh: Mesh

  def __call__(self, state: TrainState) -> None:
    self.log.flush()
    metrics = None
    if self.validator:
      # All processes must choose the same checkpoint as the best.
      whole = sharding.gather(state.to_track, self.mesh)
      metrics = processes.agree(self.validator.measure(whole))
      self.log.add_validation(int(state.step), metrics)
    self.checkpoints.save(state, metrics)

  def when_due(self, done: Done) -> bool:
    """Saves the state if a checkpoint is due.

    Returns:
      Whether to stop training. The method is a hook of `fit`.
    """
    last = done.step == self.plan.total_steps
    if not last and done.step % self.plan.saving.every:
      return False
    self(done.state)
    return self.stalled(done.step)

  def stalled(self, step: int) -> bool:
    """Returns whether the validations up to a step tell to stop training.

    The answer depends only on saved checkpoints, so that a resumed run stops
    where an uninterrupted one does.
    """
    validation, best = self.plan.validation, self.checkpoints.best
    if not validation or not validation.patience or best is None:
      return False
    allowed = validation.patience * self.plan.saving.every
    if step - best < allowed or step == self.plan.total_steps:
      return False
    processes.say(
      f'stopped early at step {step}: no validation has been better since the '
      f'one at step {best}'
    )
    return True


def _begin(
  plan: Plan, mesh: Mesh, checkpoints: Checkpoints, source: Variables | None
) -> TrainState:
  """Restores the newest state, or creates one with the weights of `source`."""

  def like(step):
    return plan.placed_shapes(plan.phase_before(step), mesh)

  state = checkpoints.restore_newest(like)
  if state is not None:
    processes.say(f'resuming at step {state.step} of {plan.total_steps}')
    if source is not None:
      processes.say('`init_from` is ignored: the run already has weights')
    return state
  state = first_state(plan, mesh)
  if source is None:
    trains = plan.phase(0).mode(plan.shapes['params']).trains
    if processes.is_first() and not trains(('backbone',)):
      logging.warning(
        'the backbone is frozen and has random weights; give `init_from` to '
        'start from trained weights'
      )
    return state
  variables, summary = transfer.fill(state.variables, source)
  processes.say(f'weights taken from `init_from`: {summary}')
  variables = jax.device_put(variables, sharding.replicated(mesh))
  shardings = plan.state_sharding(state, mesh)
  return jax.device_put(states.fill(state, variables), shardings)


class _Reading:
  """Iterator over batches that ends where a batch cannot be read.

  In a run of several processes, it raises the error at once, because the others
  do not end at this step.

  Attributes:
    error: Error of the batch that could not be read, if any.
  """

  error: OSError | ValueError | None = None

  def __init__(self, batches: Iterator[RawBatch]):
    self._batches = batches

  def __iter__(self) -> Iterator[RawBatch]:
    return self

  def __next__(self) -> RawBatch:
    try:
      return next(self._batches)
    except (OSError, ValueError) as error:
      if jax.process_count() > 1:
        raise
      self.error = error
      raise StopIteration from None


class _Stop:
  """Hook that stops training once a signal was received.

  Attributes:
    received: Number of the signal that was received, if any.
  """

  received: int | None = None

  def __call__(self, done: Done) -> bool:
    return self.received is not None


class _StopTogether:
  """Hook that stops all processes of a run after the same step.

  JAX makes the processes agree on a step after one of them received a SIGTERM.

  Attributes:
    received: SIGTERM once the processes have reached the step they agreed on.
  """

  received: int | None = None

  def __call__(self, done: Done) -> bool:
    if multihost_utils.reached_preemption_sync_point(done.step):
      self.received = signal.SIGTERM
    return self.received is not None


@contextlib.contextmanager
def _stop_on_signal() -> Iterator[_Stop | _StopTogether]:
  """Yields a hook that stops training after SIGINT, SIGTERM or SIGHUP.

  In a single process, a repeated signal has its usual effect.
  """
  if jax.process_count() > 1:
    yield _StopTogether()
    return
  hook, before = _Stop(), {}

  def handle(number, _):
    hook.received = number
    signal.signal(number, before[number])

  for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    # Under nohup, SIGHUP is ignored, and stays so.
    if signal.getsignal(number) is not signal.SIG_IGN:
      before[number] = signal.signal(number, handle)
  try:
    yield hook
  finally:
    for number, handler in before.items():
      signal.signal(number, handler)
