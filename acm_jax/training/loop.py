"""The training loop: starts or resumes what a folder holds."""

import contextlib
import dataclasses
import functools
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
from absl import logging
from etils import epath
from jax.experimental import multihost_utils
from jax.sharding import Mesh
from ml_collections import ConfigDict

from acm_jax.tracking.contract import Variables
from acm_jax.training import (
  data,
  processes,
  resuming,
  sharding,
  transfer,
  validation,
)
from acm_jax.training import state as states
from acm_jax.training import teacher as teachers
from acm_jax.training import workdir as workdirs
from acm_jax.training.checkpoints import (
  Checkpoints,
  load_variables,
  newest_step,
)
from acm_jax.training.log import RunLog
from acm_jax.training.plan import Plan, make_plan
from acm_jax.training.sections import section
from acm_jax.training.state import TrainState
from acm_jax.training.step import Metrics
from acm_jax.training.teacher import Teacher
from acm_jax.training.validation import Validator
from data_pipelines.batch import RawBatch
from data_pipelines.pipeline import DataSet, train_batches


@dataclasses.dataclass(frozen=True, eq=False)
class _Inputs:
  """What a run is given besides its plan.

  Attributes:
    sets: Data sets of the mixture.
    source: Weights and statistics to begin with, if they are not random.
    teacher: Trained tracker whose outputs join the loss, if there is one.
    validator: Measures the network at every checkpoint, if it is validated.
  """

  sets: Sequence[DataSet]
  source: Variables | None
  teacher: Teacher | None
  validator: Validator | None


def train(
  config: ConfigDict,
  workdir: Path,
  data_dir: epath.PathLike | None = None,
  init_from: str | None = None,
  teacher: str | None = None,
  validation_dir: str | None = None,
) -> None:
  """Trains to the end of the schedule, from the newest checkpoint if any.

  A run with a validation measures the network at the start, at every regular
  checkpoint and at the end. SIGINT and SIGTERM end a run after the step that
  runs, with a checkpoint, which is not measured.

  Args:
    config: A config of `configs/`. A run goes on with another one if that
      would have given the same steps so far; see `resuming`.
    workdir: Gets config.json, checkpoints/, metrics.jsonl, TensorBoard events.
    data_dir: Folder of the prepared data sets.
    init_from: Run or conversion (FOLDER, FOLDER@STEP or FOLDER@best) whose
      weights a new run begins with.
    teacher: Run or conversion whose outputs join the loss, as the section
      `teacher` of the config weights them; also when a run goes on.
    validation_dir: Root of the benchmark that the section `validation` of the
      config names; also when a run goes on.

  Raises:
    FileNotFoundError: The data sets are not prepared.
    KeyboardInterrupt: A signal ended the run.
    RuntimeError: Ten steps in a row were not taken.
    ValueError: The config is wrong, or `workdir` holds a run of other steps.
  """
  sections = config.to_dict()
  plan, mesh = make_plan(sections), sharding.make_mesh()
  sharding.check_batch_size(plan.train.batch_size, mesh)
  tracker, step = plan.tracker, newest_step(workdir)
  # What takes long to load comes last.
  workdirs.check(workdir, sections, step)
  with section('sets'):
    sets = data.find_sets(sections['sets'], data_dir, workdir)
  data.check_scale(sets, tracker.template_size, tracker.context_amount)
  if plan.validation:
    data.check_held_out(sets, plan.validation.sequences)
  inputs = _Inputs(
    sets,
    load_variables(init_from)[1] if init_from else None,
    teachers.load(teacher, sections.get('teacher'), tracker, plan.search_size),
    validation.load(
      plan.validation,
      validation_dir,
      tracker,
      plan.hparams,
      sections['precision'],
    ),
  )
  if inputs.teacher:
    # So that a run that goes on has the teacher that it began with.
    seen = {'fingerprint': inputs.teacher.fingerprint}
    sections = sections | {'teacher': sections['teacher'] | seen}
    workdirs.check(workdir, sections, step)
  _make_synthetic(plan, sections, workdir)
  with _precision(sections['precision']):
    _run(plan, mesh, inputs, sections, workdir)


def _run(
  plan: Plan,
  mesh: Mesh,
  inputs: _Inputs,
  sections: Mapping[str, Any],
  workdir: Path,
) -> None:
  with (
    Checkpoints(
      workdir, plan.saving.keep, resuming.measured(sections)
    ) as checkpoints,
    _signals() as stopped,
  ):
    stop = False
    state = _begin(plan, mesh, checkpoints, inputs.source)
    batches = _batches(plan, inputs.sets, sections['data'], int(state.step))
    # Now, so that a request that could not be met does not claim the folder.
    if processes.is_first():
      changes = workdirs.claim(workdir, sections, newest_step(workdir))
      if changes:
        print(f'from step {int(state.step)} on: {changes}', flush=True)
    with contextlib.closing(batches), _log(plan, workdir, state) as log:
      if inputs.validator and not checkpoints.steps:
        # What a run begins with may be the best of it.
        _save(checkpoints, state, inputs.validator, log)
      steps = _steps(plan, mesh, state, batches, inputs.teacher)
      for step, state, metrics, raw in steps:
        log.add(step, metrics, raw.sample_id)
        if step % plan.saving.every == 0 or step == plan.total_steps:
          _save(checkpoints, state, inputs.validator, log)
        if stop := stopped(step):
          break
      log.flush()
      checkpoints.save(state)
  if stop:
    raise KeyboardInterrupt


def _save(
  checkpoints: Checkpoints,
  state: TrainState,
  validator: Validator | None,
  log: RunLog,
) -> None:
  """Saves a state with the figures of its validation, if there is one."""
  log.flush()
  figures = None
  if validator:
    # Processes must agree on which checkpoint is the best.
    figures = processes.agree(validator.measure(state.to_track))
    log.add_validation(int(state.step), figures)
  checkpoints.save(state, figures)


def _make_synthetic(
  plan: Plan, sections: Mapping[str, Any], workdir: Path
) -> None:
  if 'synthetic' not in sections:
    return
  if processes.is_first():
    with section('synthetic'):
      crop_size = max(plan.rooms.values())
      data.make_synthetic(sections['synthetic'], workdir, crop_size)
  processes.wait('synthetic')


def _precision(name: str) -> contextlib.AbstractContextManager:
  with section('precision'):
    return jax.default_matmul_precision(name)


def _log(plan: Plan, workdir: Path, state: TrainState) -> RunLog:
  return RunLog(
    workdir,
    first_step=int(state.step),
    total_steps=plan.total_steps,
    batch_size=plan.train.batch_size,
    every=plan.log.every,
  )


def _begin(
  plan: Plan, mesh: Mesh, checkpoints: Checkpoints, source: Variables | None
) -> TrainState:
  """The newest state there is, or a new one, filled from `source`."""
  everywhere = sharding.replicated(mesh)
  step = checkpoints.steps[-1] if checkpoints.steps else 0
  initial = functools.partial(plan.initial_state, plan.phase_before(step))
  if checkpoints.steps:
    processes.say(f'resuming at step {step} of {plan.total_steps}')
    if source is not None:
      processes.say('--init_from is not used: the run has weights of its own')
    like = jax.tree.map(
      lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=everywhere),
      jax.eval_shape(initial),
    )
    return checkpoints.restore(step, like)
  state = jax.jit(initial, out_shardings=everywhere)()
  if source is None:
    trains = plan.phase(0).mode(state.params).trains
    if processes.is_first() and not trains(('backbone',)):
      logging.warning(
        'the backbone is frozen and begins with random weights: name trained '
        'ones with --init_from'
      )
    return state
  variables, summary = transfer.fill(state.variables, source)
  processes.say(f'filled from --init_from: {summary}')
  return states.fill(state, jax.device_put(variables, everywhere))


def _batches(
  plan: Plan,
  sets: Sequence[DataSet],
  arguments: Mapping[str, Any],
  first_step: int,
) -> Iterator[RawBatch]:
  with section('data'):
    return train_batches(
      sets,
      batch_size=plan.train.batch_size,
      seed=plan.train.seed,
      first_step=first_step,
      last_step=plan.total_steps,
      process_index=jax.process_index(),
      process_count=jax.process_count(),
      **plan.rooms,
      **arguments,
    )


def _steps(
  plan: Plan,
  mesh: Mesh,
  state: TrainState,
  batches: Iterator[RawBatch],
  teacher: Teacher | None,
) -> Iterator[tuple[int, TrainState, Metrics, RawBatch]]:
  """Starts step after step to the end of the schedule.

  Yields:
    Steps done, the state and the metrics after them, which may still be
    computed, and the batch of the last one.
  """
  everywhere = sharding.replicated(mesh)
  first_step, compiled = int(state.step), None
  phase = plan.phase_before(first_step)
  teacher_variables = teacher and jax.device_get(teacher.model.variables)
  teacher_variables = jax.device_put(teacher_variables, everywhere)
  for step in range(first_step, plan.total_steps):
    if plan.phase(step) != phase:
      phase, compiled = plan.phase(step), None
      state = plan.enter(phase, state)
    if compiled is None:
      function = plan.step_function(phase, state.params, teacher)
      compiled = jax.jit(
        function, donate_argnums=0, out_shardings=(everywhere, everywhere)
      )
    raw = next(batches)
    state, metrics = compiled(state, sharding.put(raw, mesh), teacher_variables)
    yield step + 1, state, metrics, raw


@contextlib.contextmanager
def _signals() -> Iterator[Callable[[int], bool]]:
  """Gives a function that says whether a signal ends the run after a step.

  SIGINT or SIGTERM; a second one acts as it would without this. Several
  processes end together: a SIGTERM to any of them, after a step that JAX has
  them agree on.
  """
  if jax.process_count() > 1:
    yield multihost_utils.reached_preemption_sync_point
    return
  came = False
  before = {}

  def note(number, _):
    nonlocal came
    came = True
    signal.signal(number, before[number])

  for number in (signal.SIGINT, signal.SIGTERM):
    before[number] = signal.signal(number, note)
  try:
    yield lambda step: came
  finally:
    for number, handler in before.items():
      signal.signal(number, handler)
