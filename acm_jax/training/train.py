"""Trains the tracker that a config describes."""

import dataclasses
import functools
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
from etils import epath
from jax.sharding import Mesh
from ml_collections import ConfigDict

from acm_jax.tracking.contract import Variables
from acm_jax.training import (
  data,
  own_sequences,
  processes,
  sharding,
  show,
  trained,
  validation,
  wandb_run,
)
from acm_jax.training import teacher as teachers
from acm_jax.training import workdir as workdirs
from acm_jax.training.checkpoints import newest_step
from acm_jax.training.dry_run import describe
from acm_jax.training.plan import Plan, make_plan
from acm_jax.training.run import run
from acm_jax.training.sections import Own, section
from data_pipelines.batch import RawBatch
from data_pipelines.mixture import DataSet, Mixture, Sides
from data_pipelines.pipeline import train_batches


def train(
  config: ConfigDict,
  workdir: Path,
  data_dir: epath.PathLike | None = None,
  init_from: str | None = None,
  teacher: str | None = None,
  validation_dir: str | None = None,
  profile: int = 0,
) -> None:
  """Trains to the end of the schedule.

  Resumes from the newest checkpoint in `workdir`, if there is one.

  Args:
    config: Config from `configs/`. A run can be resumed with another config if
      its steps so far would have been the same; see `resuming`. A config
      without the section `tracker` trains the tracker of `init_from`. A config
      with the section `own` trains on the user's own sequences.
    workdir: Folder of a new run, or of the run to resume.
    data_dir: Folder of the prepared data sets, or of the user's own sequences.
    init_from: Model or training run with the initial weights of a new run, as
      in `trained.read`; also required to resume the run if the config has no
      section `tracker`.
    teacher: Model or training run to imitate, as in `trained.read`; also
      required to resume the run. The config section `teacher` sets the weights
      of the losses.
    validation_dir: Root folder of the benchmark that the config section
      `validation` names; also required to resume the run. Not permitted if the
      config has the section `own`, which holds out sequences of `data_dir`.
    profile: Number of steps to trace for JAX's profiler; see `Trace`.

  Raises:
    FileNotFoundError: A data set is not prepared.
    KeyboardInterrupt: A signal ended the run.
    Diverged: Ten consecutive steps were skipped.
    RuntimeError: The config requires a package that is not installed.
    ValueError: The config is invalid, `workdir` holds a run that cannot be
      resumed with it, or another process is training in `workdir`.
  """
  # Quick checks come first, slow loading comes last.
  sections, source = _sections(config, data_dir, init_from)
  plan, mesh = _plan(sections, workdir)
  wandb_run.check(plan.log.wandb)
  if 'own' in sections:
    if validation_dir is not None:
      raise ValueError(
        '`validation_dir`: the config holds out sequences of `data_dir`; omit '
        'the argument'
      )
    validation_dir = str(data_dir)
  sets = _find_sets(plan, sections, data_dir, workdir)
  if init_from and source is None:
    source = trained.read(init_from)[1]
  sections, plan = _with_teacher(sections, plan, workdir, teacher)
  validator = validation.load(
    plan.validation,
    validation_dir,
    plan.tracker,
    plan.hparams,
    plan.precision,
  )
  with workdirs.locked(workdir):
    _write_sets(plan, sections, data_dir, workdir)
    run(
      plan,
      sections,
      workdir,
      functools.partial(_batches, plan, sets, sections['data']),
      mesh,
      source=source,
      validator=validator,
      profile=profile,
    )


def dry_run(
  config: ConfigDict,
  workdir: Path,
  data_dir: epath.PathLike | None = None,
  init_from: str | None = None,
  teacher: str | None = None,
) -> str:
  """Describes the run that `train` would start or resume.

  Starts nothing, and writes no file. Data sets may be missing.

  Args:
    config: Config from `configs/`.
    workdir: Folder of the run, which need not exist.
    data_dir: Folder of the prepared data sets, or of the user's own sequences.
    init_from: As in `train`; only used if the config has no section `tracker`.
    teacher: Model or training run to imitate, as in `trained.read`.

  Raises:
    ValueError: The config is invalid, or `workdir` holds a run that cannot be
      resumed with it.
  """
  sections, _ = _sections(config, data_dir, init_from)
  plan, mesh = _plan(sections, workdir)
  missing = data.missing_sets(sections['sets'], data_dir, workdir)
  mixture = None
  if not missing:
    sets = _find_sets(plan, sections, data_dir, workdir)
    with section('data'):
      # Sizes do not depend on the negative pairs.
      sides = Sides(*plan.crop_sides.values())
      mixture = Mixture(sets, sides, plan.train.seed, 0.0, 0.0, 'none')
  sections, plan = _with_teacher(sections, plan, workdir, teacher)
  return describe(
    plan,
    sections,
    mesh,
    workdir,
    step=newest_step(workdir),
    mixture=mixture,
    missing=missing,
  )


def plot_pairs(
  config: ConfigDict,
  out: Path,
  pairs: int,
  data_dir: epath.PathLike | None = None,
  init_from: str | None = None,
  workdir: Path | None = None,
) -> None:
  """Plots the first training pairs of a run as a PNG file.

  Args:
    config: Config from `configs/`.
    out: PNG file to write; see `show.write_sheet`.
    pairs: Number of pairs.
    data_dir: Folder of the prepared data sets, or of the user's own sequences.
    init_from: As in `train`; only used if the config has no section `tracker`.
    workdir: Folder of a run, whose synthetic or own sequences are shown
      (default: they are written to a temporary folder).

  Raises:
    FileNotFoundError: A data set is not prepared.
    ValueError: The config is invalid, or a data set does not fit it.
  """
  sections, _ = _sections(config, data_dir, init_from)
  plan = make_plan(sections)
  with tempfile.TemporaryDirectory() as temporary:
    sets = _find_sets(plan, sections, data_dir, workdir or Path(temporary))
    if workdir is None:
      _write_sets(plan, sections, data_dir, Path(temporary))
    with section('data'):
      show.write_sheet(plan, sets, out, pairs=pairs, arguments=sections['data'])


def _sections(
  config: ConfigDict,
  data_dir: epath.PathLike | None,
  init_from: str | None,
) -> tuple[dict[str, Any], Variables | None]:
  """Completes the sections of a config.

  Returns:
    The sections; and the weights of `init_from`, if the tracker is from there.
  """
  sections, source = config.to_dict(), None
  if 'tracker' not in sections:
    if init_from is None:
      raise ValueError(
        'the config has no section tracker; give `init_from`, the model or the '
        'training run to train further'
      )
    described, source = trained.read_tracker(init_from)
    sections |= described
  if 'own' in sections:
    if sections.get('validation', {}).get('sequences'):
      raise ValueError(
        'config.validation.sequences: the run chooses the held-out sequences; '
        'leave it empty, and set config.own.held_out to hold out more'
      )
    with section('own'):
      held_out = _held_out(sections, data_dir)
      sequences = own_sequences.to_validate(data_dir, held_out)
    sections.setdefault('validation', {})['sequences'] = sequences
  return sections, source


def _held_out(
  sections: Mapping[str, Any], data_dir: epath.PathLike | None
) -> tuple[str, ...]:
  """Returns the names of the user's own sequences that are held out."""
  fraction = Own(**sections['own']).held_out
  return own_sequences.held_out(data_dir, fraction)


def _plan(sections: dict[str, Any], workdir: Path) -> tuple[Plan, Mesh]:
  """Returns the plan of a config, and the mesh of devices."""
  plan = make_plan(sections)
  mesh = sharding.make_mesh(plan.sharding.fsdp)
  with section('train'):
    sharding.check_batch_size(
      plan.train.batch_size, mesh, plan.train.accumulate
    )
  workdirs.check(workdir, sections, newest_step(workdir))
  return plan, mesh


def _find_sets(
  plan: Plan,
  sections: Mapping[str, Any],
  data_dir: epath.PathLike | None,
  workdir: Path,
) -> list[DataSet]:
  """Finds the data sets, and checks them as far as that is quick."""
  tracker = plan.tracker
  with section('sets'):
    sets = data.find_sets(sections['sets'], data_dir, workdir)
  data.check_scale(sets, tracker.template_size, tracker.context_amount)
  if plan.validation:
    data.check_held_out(sets, plan.validation.sequences)
  return sets


def _with_teacher(
  sections: dict[str, Any], plan: Plan, workdir: Path, teacher: str | None
) -> tuple[dict[str, Any], Plan]:
  """Loads the teacher, if any; adds it to the plan, and to the sections."""
  loaded = teachers.load(
    teacher, sections.get('teacher'), plan.tracker, plan.search_size
  )
  if not loaded:
    return sections, plan
  sections = teachers.with_fingerprint(sections, loaded)
  workdirs.check(workdir, sections, newest_step(workdir))
  return sections, dataclasses.replace(plan, teacher=loaded)


def _write_sets(
  plan: Plan,
  sections: Mapping[str, Any],
  data_dir: epath.PathLike | None,
  workdir: Path,
) -> None:
  """Writes the data sets of a run that are not prepared before it."""
  if processes.is_first():
    if 'synthetic' in sections:
      with section('synthetic'):
        crop_size = max(plan.crop_sides.values())
        data.make_synthetic(sections['synthetic'], workdir, crop_size)
    if 'own' in sections:
      own_sequences.ensure(
        data.written_set(workdir, data.OWN),
        data_dir,
        _held_out(sections, data_dir),
        Own(**sections['own']).stride,
      )
  processes.wait('sets')


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
