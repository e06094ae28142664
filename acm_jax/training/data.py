"""Finds the data sets of a run and checks them before training starts."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from etils import epath

from acm_jax.datasets import crops
from data_pipelines import manifests, synthetic_set, training_set
from data_pipelines.pipeline import DataSet

# Names of the data sets that a run writes to its folder itself: synthetic
# sequences, and the user's own sequences. All others must be prepared before
# the run.
SYNTHETIC, OWN = 'synthetic', 'own'
_WRITTEN = (SYNTHETIC, OWN)


def missing_sets(
  sets: Iterable[str], data_dir: epath.PathLike | None, workdir: Path
) -> list[str]:
  """Returns the names of the data sets of a run that do not exist yet.

  Args:
    sets: Names of the data sets.
    data_dir: Folder of the prepared data sets; None if there is none.
    workdir: Folder of the run.
  """
  return [
    name
    for name, path in _paths(sets, data_dir, workdir).items()
    if path is None or not (path / manifests.NAME).exists()
  ]


def _paths(
  sets: Iterable[str], data_dir: epath.PathLike | None, workdir: Path
) -> dict[str, epath.Path | None]:
  """Returns the path of each data set; None if `data_dir` is missing."""
  prepared = None if data_dir is None else epath.Path(data_dir)
  return {
    name: epath.Path(written_set(workdir, name))
    if name in _WRITTEN
    else prepared and prepared / name
    for name in sets
  }


def find_sets(
  sets: Mapping[str, Mapping[str, Any]],
  data_dir: epath.PathLike | None,
  workdir: Path,
) -> list[DataSet]:
  """Finds the data sets that a run trains on.

  Args:
    sets: Arguments of `DataSet`, except the path, for each data set; keys are
      names of data sets.
    data_dir: Local folder, or address that etils.epath supports, with a
      subfolder for each prepared data set. None if no prepared set is used.
    workdir: Folder of the run.

  Raises:
    FileNotFoundError: Some data sets are not prepared; the message names the
      commands to use.
  """
  missing = missing_sets(sets, data_dir, workdir)
  if missing := [name for name in missing if name not in _WRITTEN]:
    place = 'neither `data_dir` nor $ACM_DATA is given'
    if data_dir:
      place = f'looked in {data_dir}'
    raise FileNotFoundError(
      f'data sets are not prepared: {", ".join(missing)} ({place}); write each '
      'with `acm-jax prepare --dataset NAME --source DOWNLOAD --out '
      'DATA_DIR/NAME`, or train on synthetic data by adding :quickstart to '
      '`config`'
    )
  paths = _paths(sets, data_dir, workdir)
  return [
    DataSet(path=paths[name], **section) for name, section in sets.items()
  ]


def written_set(workdir: Path, name: str) -> Path:
  """Returns the folder of a data set that a run writes itself."""
  return workdir / 'data' / name


def check_scale(
  sets: Sequence[DataSet], template_size: int, context_amount: float
) -> None:
  """Checks that the data sets' crops have the scale of the tracker's crops.

  Args:
    sets: Data sets. All must exist, except those that the run writes later.
    template_size: Side of the tracker's template crop, px.
    context_amount: Context in the tracker's crops, as a fraction of the sum of
      the target's width and height.

  Raises:
    ValueError: The crops of a data set have a different scale.
  """
  required = {'template_size': template_size, 'context_amount': context_amount}
  for data_set in sets:
    actual = _scale(data_set)
    for name, value in required.items():
      if actual[name] != value:
        raise ValueError(
          f'{data_set.path}: the crops have {name}={actual[name]}, but the '
          f'tracker has {value}; use a tracker with {name}={actual[name]} '
          f'(config.tracker.{name})'
        )


def _scale(data_set: DataSet) -> Mapping[str, Any]:
  # A set that the run writes may not exist yet; its scale is fixed.
  if epath.Path(data_set.path).name in _WRITTEN:
    return {
      'template_size': crops.TEMPLATE_SIZE,
      'context_amount': crops.CONTEXT_AMOUNT,
    }
  return training_set.read_manifest(data_set.path)


def check_held_out(sets: Sequence[DataSet], sequences: Sequence[str]) -> None:
  """Checks that no video of the validation is used for training.

  Videos are compared by name; see `_video`.

  Args:
    sets: Data sets. All must exist, except those that the run writes later.
    sequences: Names of the sequences for validation.

  Raises:
    ValueError: A data set contains a video of the validation.
  """
  held_out = {_video(name) for name in sequences}
  for data_set in sets:
    # A synthetic sequence can have the same name only by coincidence, and the
    # user's own set is written without the sequences of the validation.
    if epath.Path(data_set.path).name in _WRITTEN:
      continue
    names = training_set.read_names(data_set.path)
    shared = held_out & {_video(name) for name in names}
    if shared:
      raise ValueError(
        'config.validation: training must not use the validation videos '
        f'{", ".join(sorted(shared))}, but {data_set.path} contains them; '
        'write this data set again with `acm-jax prepare --exclude NAMES` or '
        '`acm-jax composed --exclude NAMES`, or choose other photographs for '
        'its `--backgrounds`'
      )


def _video(name: str) -> str:
  """Returns the name that sequences and targets of a video have in common.

  A target in a data set is named VIDEO.NUMBER; if its video was labelled
  automatically, several numbers follow the name of the video, each after a dot.
  Data sets differ in their digits, so that any number is left out: different
  videos may then have the same name, but no video has two.
  """
  return re.sub(r'(\.\d+)+$', '', name)


def make_synthetic(
  section: Mapping[str, Any], workdir: Path, crop_size: int
) -> None:
  """Writes the synthetic set of a run unless the set already exists.

  Args:
    section: Arguments of `synthetic_set.ensure` except the folder and
      `crop_size`.
    workdir: Folder of the run.
    crop_size: Side of the crops, px.
  """
  textures = section['textures']
  synthetic_set.ensure(
    written_set(workdir, SYNTHETIC),
    **{
      **section,
      'textures': Path(textures).expanduser() if textures else None,
    },
    crop_size=crop_size,
  )
