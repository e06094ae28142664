"""Finds the data sets of a run and checks them before training starts."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from etils import epath

from acm_jax.datasets import crops
from data_pipelines import synthetic_set, training_set
from data_pipelines.pipeline import DataSet

# Name of the data set that a run generates itself; all others must be prepared.
SYNTHETIC = 'synthetic'


def find_sets(
  sets: Mapping[str, Mapping[str, Any]],
  data_dir: epath.PathLike | None,
  workdir: Path,
) -> list[DataSet]:
  """Finds the data sets of a mixture.

  Args:
    sets: Arguments of `DataSet` except the path. Keys are names of data sets.
    data_dir: Folder with a subfolder for each data set, local or at an address
      that etils.epath supports.
    workdir: Folder of the run, whose subfolder data/ holds the synthetic set.

  Raises:
    FileNotFoundError: Some data sets are not prepared; the message names the
      commands to use.
  """
  own, prepared = epath.Path(workdir / 'data'), epath.Path(data_dir or '')
  paths = {
    name: (own if name == SYNTHETIC else prepared) / name for name in sets
  }
  missing = [
    name
    for name, path in paths.items()
    if name != SYNTHETIC
    and (data_dir is None or not (path / 'manifest.json').exists())
  ]
  if missing:
    place = 'neither `data_dir` nor $ACM_DATA is given'
    if data_dir:
      place = f'looked in {data_dir}'
    raise FileNotFoundError(
      f'data sets are not prepared: {", ".join(missing)} ({place}); write each '
      'with `acm-jax prepare --dataset NAME --source DOWNLOAD --out '
      'DATA_DIR/NAME`, or train on synthetic data by adding :quickstart to '
      '`config`'
    )
  return [
    DataSet(path=paths[name], **section) for name, section in sets.items()
  ]


def check_scale(
  sets: Sequence[DataSet], template_size: int, context_amount: float
) -> None:
  """Checks that the crops of the data sets have the tracker's scale.

  Args:
    sets: Data sets, which exist unless they are synthetic.
    template_size: Side of the tracker's template crop, px.
    context_amount: Margin of the tracker's crops.

  Raises:
    ValueError: The crops of a data set have another scale.
  """
  required = {'template_size': template_size, 'context_amount': context_amount}
  for data_set in sets:
    actual = _scale(data_set)
    for name, value in required.items():
      if actual[name] != value:
        raise ValueError(
          f'{data_set.path}: the crops have {name}={actual[name]}, but the '
          f'tracker has {value}; set config.tracker.{name}={actual[name]}'
        )


def _scale(data_set: DataSet) -> Mapping[str, Any]:
  # The synthetic set may not exist yet.
  if epath.Path(data_set.path).name == SYNTHETIC:
    return {
      'template_size': crops.TEMPLATE_SIZE,
      'context_amount': crops.CONTEXT_AMOUNT,
    }
  return training_set.read_manifest(data_set.path)


def check_held_out(sets: Sequence[DataSet], sequences: Sequence[str]) -> None:
  """Checks that no video of the validation is used for training.

  The name of a target consists of the name of its video and a number
  (VIDEO.NUMBER), or several numbers if the video was labelled automatically.

  Args:
    sets: Data sets, which exist unless they are synthetic.
    sequences: Names of the sequences for validation.

  Raises:
    ValueError: A data set contains one of the videos.
  """
  held_out = {_video(name) for name in sequences}
  for data_set in sets:
    # If the name of a synthetic sequence is the same, that is a coincidence.
    if epath.Path(data_set.path).name == SYNTHETIC:
      continue
    names = training_set.read_names(data_set.path)
    shared = held_out & {_video(name) for name in names}
    if shared:
      raise ValueError(
        f'config.validation: {", ".join(sorted(shared))} also in '
        f'{data_set.path}, which is trained on; write the data set again with '
        '--exclude or, if it is composed, without these --backgrounds'
      )


def _video(name: str) -> str:
  return re.sub(r'(\.\d+)+$', '', name)


def make_synthetic(
  section: Mapping[str, Any], workdir: Path, crop_size: int
) -> None:
  """Writes the synthetic set of a run unless it already exists.

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
