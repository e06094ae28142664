"""Which clip sets a run reads, and the ways on where they are missing."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from etils import epath

from acm_jax.datasets import crops
from data_pipelines import synthetic_set, training_set
from data_pipelines.pipeline import DataSet

# The data set that is made where it is asked for.
SYNTHETIC = 'synthetic'


def find_sets(
  sets: Mapping[str, Mapping[str, Any]],
  data_dir: epath.PathLike | None,
  workdir: Path,
) -> list[DataSet]:
  """The data sets of a mixture, by name.

  Args:
    sets: By name: arguments of `DataSet` but for its path.
    data_dir: Folder whose subfolders are clip sets named like the data sets,
      here or at an address that etils.epath knows.
    workdir: Folder of the run; the synthetic set lies in its data/.

  Raises:
    FileNotFoundError: Some are not prepared; the message says the ways on.
  """
  own, prepared = epath.Path(workdir / 'data'), epath.Path(data_dir or '')
  where = {
    name: (own if name == SYNTHETIC else prepared) / name for name in sets
  }
  missing = [
    name
    for name, path in where.items()
    if name != SYNTHETIC
    and (data_dir is None or not (path / 'manifest.json').exists())
  ]
  if missing:
    place = data_dir or '--data_dir, which is not given, nor is $ACM_DATA'
    raise FileNotFoundError(
      f'data sets are not prepared: {", ".join(missing)} (looked in {place}). '
      'Write each with `acm-jax prepare --dataset NAME --source DOWNLOAD '
      '--out DATA_DIR/NAME`, or train small on synthetic data: add '
      ':quickstart to --config'
    )
  return [
    DataSet(path=where[name], **section) for name, section in sets.items()
  ]


def check_scale(
  sets: Sequence[DataSet], template_size: int, context_amount: float
) -> None:
  """Makes sure that the crops of the sets have the tracker's scale.

  Args:
    sets: Data sets that are there, or are made.
    template_size: Side of the tracker's template crop, px.
    context_amount: Margin of its crops.

  Raises:
    ValueError: A set was cut at another scale.
  """
  wanted = {'template_size': template_size, 'context_amount': context_amount}
  for data_set in sets:
    there = _scale(data_set)
    for name, value in wanted.items():
      if there[name] != value:
        raise ValueError(
          f'{data_set.path}: its crops have {name}={there[name]}, the '
          f'tracker {value}: set config.tracker.{name} to theirs'
        )


def _scale(data_set: DataSet) -> Mapping[str, Any]:
  # It may not have been made yet.
  if epath.Path(data_set.path).name == SYNTHETIC:
    return {
      'template_size': crops.TEMPLATE_SIZE,
      'context_amount': crops.CONTEXT_AMOUNT,
    }
  return training_set.read_manifest(data_set.path)


def check_held_out(sets: Sequence[DataSet], sequences: Sequence[str]) -> None:
  """Makes sure that no sequence of the validation is also trained on.

  The targets of one video are named VIDEO.NUMBER, those of labelled video have
  more than one number, and all of them stand for the video.

  Args:
    sets: Data sets that are there.
    sequences: Names of the sequences that validate.

  Raises:
    ValueError: A set shows some of the videos.
  """
  held_out = {_video(name) for name in sequences}
  for data_set in sets:
    # What is made at random shares no more than a name.
    if epath.Path(data_set.path).name == SYNTHETIC:
      continue
    names = training_set.read_names(data_set.path)
    shown = held_out & {_video(name) for name in names}
    if shown:
      raise ValueError(
        f'config.validation: {", ".join(sorted(shown))} also in '
        f'{data_set.path}, which is trained on; write the set without, by '
        '--exclude or, for a composed set, without these --backgrounds'
      )


def _video(name: str) -> str:
  return re.sub(r'(\.\d+)+$', '', name)


def make_synthetic(
  section: Mapping[str, Any], workdir: Path, crop_size: int
) -> None:
  """Makes the synthetic set of a run unless it is there already.

  Args:
    section: Arguments of `synthetic_set.ensure`.
    workdir: Folder of the run.
    crop_size: Side of the crops, px.
  """
  textures = section['textures']
  synthetic_set.ensure(
    workdir / 'data' / SYNTHETIC,
    **{**section, 'textures': Path(textures) if textures else None},
    crop_size=crop_size,
  )
