"""Trains the tracker that a config describes."""

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
from etils import epath
from ml_collections import ConfigDict

from acm_jax.training import data, processes, sharding, trained, validation
from acm_jax.training import teacher as teachers
from acm_jax.training import workdir as workdirs
from acm_jax.training.checkpoints import newest_step
from acm_jax.training.plan import Plan, make_plan
from acm_jax.training.run import run
from acm_jax.training.sections import section
from data_pipelines.batch import RawBatch
from data_pipelines.pipeline import DataSet, train_batches


def train(
  config: ConfigDict,
  workdir: Path,
  data_dir: epath.PathLike | None = None,
  init_from: str | None = None,
  teacher: str | None = None,
  validation_dir: str | None = None,
) -> None:
  """Trains to the end of the schedule.

  Resumes from the newest checkpoint in `workdir`, if there is one.

  Args:
    config: Config from `configs/`. A run can be resumed with another config if
      its steps so far would have been the same; see `resuming`.
    workdir: Folder of a new run, or of the run to resume.
    data_dir: Folder of the prepared data sets.
    init_from: Model or training run with the initial weights of a new run, as
      in `trained.read`.
    teacher: Model or training run to imitate, as in `trained.read`; also
      required to resume the run. The config section `teacher` sets the weights
      of the losses.
    validation_dir: Root folder of the benchmark that the config section
      `validation` names; also required to resume the run.

  Raises:
    FileNotFoundError: A data set is not prepared.
    KeyboardInterrupt: A signal ended the run.
    RuntimeError: Ten consecutive steps were skipped.
    ValueError: The config is invalid, or `workdir` holds a run that cannot be
      resumed with it.
  """
  sections = config.to_dict()
  plan = make_plan(sections)
  mesh = sharding.make_mesh(plan.sharding.fsdp)
  with section('train'):
    sharding.check_batch_size(
      plan.train.batch_size, mesh, plan.train.accumulate
    )
  tracker, step = plan.tracker, newest_step(workdir)
  # Quick checks come first, slow loading comes last.
  workdirs.check(workdir, sections, step)
  with section('sets'):
    sets = data.find_sets(sections['sets'], data_dir, workdir)
  data.check_scale(sets, tracker.template_size, tracker.context_amount)
  if plan.validation:
    data.check_held_out(sets, plan.validation.sequences)
  source = trained.read(init_from)[1] if init_from else None
  loaded = teachers.load(
    teacher, sections.get('teacher'), tracker, plan.search_size
  )
  if loaded:
    plan = dataclasses.replace(plan, teacher=loaded)
    sections = teachers.with_fingerprint(sections, loaded)
    workdirs.check(workdir, sections, step)
  validator = validation.load(
    plan.validation, validation_dir, tracker, plan.hparams, plan.precision
  )
  _make_synthetic(plan, sections, workdir)
  run(
    plan,
    sections,
    workdir,
    functools.partial(_batches, plan, sets, sections['data']),
    mesh,
    source=source,
    validator=validator,
  )


def _make_synthetic(
  plan: Plan, sections: Mapping[str, Any], workdir: Path
) -> None:
  """Writes the synthetic data set if the config has one."""
  if 'synthetic' not in sections:
    return
  if processes.is_first():
    with section('synthetic'):
      crop_size = max(plan.crop_sides.values())
      data.make_synthetic(sections['synthetic'], workdir, crop_size)
  processes.wait('synthetic')


def _batches(
  plan: Plan,
  sets: Sequence[DataSet],
  arguments: Mapping[str, Any],
  first_step: int,
) -> Iterator[RawBatch]:
  """Returns this process's part of the batches from `first_step` on."""
  with section('data'):
    return train_batches(
      sets,
      batch_size=plan.train.batch_size,
      seed=plan.train.seed,
      first_step=first_step,
      last_step=plan.total_steps,
      process_index=jax.process_index(),
      process_count=jax.process_count(),
      **plan.crop_sides,
      **arguments,
    )
