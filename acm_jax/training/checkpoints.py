"""Checkpoints of a run: saved during training, and restored to any mesh.

A checkpoint has two parts: `model`, which is sufficient for tracking, and
`progress`, which is also needed to resume a run. If a run averages its weights,
`model` holds the average, and `progress` holds the weights that are being
trained.
"""

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from orbax.checkpoint import v1 as ocp

from acm_jax.tracking.contract import Variables
from acm_jax.training import workdir as workdirs
from acm_jax.training.state import TrainState

# Validation metric that ranks the checkpoints.
CRITERION = 'validation_average_overlap'
# Key under which the metrics of a checkpoint also store the settings of their
# validation; see `resuming.measured`.
_MEASURED = 'measured'
_FOLDER = 'checkpoints'
_MODEL = ('params', 'batch_stats')
_PROGRESS = ('step', 'opt_state', 'skipped', 'skipped_in_a_row')


class Checkpoints:
  """Context manager that saves and restores the checkpoints of a run."""

  def __init__(
    self, workdir: Path, keep: int | None = None, measured: str = ''
  ):
    """Opens the checkpoints of a run, creating their folder if necessary.

    Args:
      workdir: Folder of the run.
      keep: Number of newest checkpoints to keep (default: all). The best
        checkpoint is always kept.
      measured: Settings of the validation, which are stored with the metrics of
        new checkpoints; see `resuming.measured`.
    """
    policies = ocp.training.preservation_policies
    policy = policies.AnyPreservationPolicy([policies.LatestN(keep), _Best()])
    self._measured = measured
    self._checkpointer = ocp.training.Checkpointer(
      workdir.resolve() / _FOLDER, preservation_policy=policy
    )

  def __enter__(self) -> 'Checkpoints':
    return self

  def __exit__(self, *_) -> None:
    """Waits until the last checkpoint is saved.

    Raises:
      RuntimeError: The checkpoint could not be saved.
    """
    with self._saving():
      self._checkpointer.close()

  @property
  def steps(self) -> tuple[int, ...]:
    """Steps of all checkpoints, finished or not, in ascending order."""
    return tuple(c.step for c in self._checkpointer.checkpoints)

  @property
  def best(self) -> int | None:
    """Step of the best validated checkpoint; None if none was validated.

    Compares only checkpoints that were validated with the same settings as the
    newest validated checkpoint. If several are equally good, the newest is the
    best.
    """
    return _best(self._checkpointer.checkpoints)

  def save(
    self, state: TrainState, metrics: Mapping[str, float] | None = None
  ) -> None:
    """Starts saving a state, unless its step is already saved.

    Args:
      state: State to save.
      metrics: Metrics of the validation of the state, including `CRITERION`.

    Raises:
      RuntimeError: The previous state could not be saved.
    """
    step = int(state.step)
    if step in self.steps:
      return
    # Copies, because the next step reuses the memory of the state.
    parts = _parts(jax.tree.map(jnp.copy, state))
    metrics = metrics and {**metrics, _MEASURED: self._measured}
    with self._saving():
      self._checkpointer.save_checkpointables_async(
        step, parts, force=True, metrics=metrics
      )

  def save_model(self, step: int, variables: Variables) -> None:
    """Saves only weights and statistics; no run can be resumed from them."""
    self._checkpointer.save_checkpointables(
      step, {'model': {name: variables[name] for name in _MODEL}}
    )

  def restore(self, step: int, like: TrainState) -> TrainState:
    """Restores the state of a step.

    Args:
      step: One of `steps`.
      like: State with the shapes, types and shardings to restore.

    Raises:
      ValueError: The checkpoint is damaged or belongs to another network.
    """
    parts = self.read(step, _parts(like))
    if like.average is None:
      return TrainState(**parts['model'], **parts['progress'])
    return TrainState(**parts['progress'], average=parts['model'])

  def read_model(self, step: int) -> Variables:
    """Reads the weights and statistics of a step, as NumPy arrays.

    Args:
      step: One of `steps`.

    Raises:
      ValueError: The checkpoint is damaged.
    """
    try:
      metadata = self._checkpointer.checkpointables_metadata(step).metadata
      like = jax.tree.map(
        lambda x: np.empty(x.shape, x.dtype), metadata['model']
      )
    except Exception as error:
      raise self._damaged(step, error) from error
    return self.read(step, {'model': like})['model']

  def read(self, step: int, like: dict[str, Any]) -> dict[str, Any]:
    """Reads parts of a checkpoint.

    Args:
      step: One of `steps`.
      like: Shapes, types and shardings of each part.

    Raises:
      ValueError: The checkpoint is damaged or belongs to another network.
    """
    try:
      return self._checkpointer.load_checkpointables(step, like)
    except Exception as error:
      raise self._damaged(step, error) from error

  @contextlib.contextmanager
  def _saving(self) -> Iterator[None]:
    """Converts errors while saving to RuntimeError."""
    try:
      yield
    except Exception as error:
      raise RuntimeError(
        f'{self._checkpointer.directory}: a checkpoint cannot be written: is '
        f'the disk full? ({_reason(error)})'
      ) from error

  def _damaged(self, step: int, error: Exception) -> ValueError:
    return ValueError(
      f'{self._checkpointer.directory / str(step)}: the checkpoint is '
      f'incomplete or of another network ({_reason(error)}); remove this '
      f'folder, or choose one of the steps {_listed(self.steps)} as DIR@STEP'
    )


class _Best(ocp.training.preservation_policies.PreservationPolicy):
  """Policy that preserves the best checkpoint."""

  def should_preserve(self, checkpoints, *, context):
    best = _best(checkpoints)
    return [checkpoint.step == best for checkpoint in checkpoints]


def _best(checkpoints: Sequence[Any]) -> int | None:
  """Returns the step of the best checkpoint; see `Checkpoints.best`.

  Args:
    checkpoints: Orbax's metadata of checkpoints, ascending by step.
  """
  validated = [c for c in checkpoints if c.metrics]
  if not validated:
    return None
  measured = validated[-1].metrics.get(_MEASURED)
  ranked = [
    (c.metrics[CRITERION], c.step)
    for c in validated
    # Checkpoints that earlier versions of this library wrote lack the settings.
    if c.metrics.get(_MEASURED, measured) == measured
  ]
  return max(ranked)[1]


def newest_step(workdir: Path) -> int | None:
  """Returns the step of the newest finished checkpoint in a folder, if any.

  Creates nothing in the folder.
  """
  # The name of an unfinished checkpoint has a suffix.
  names = (path.name for path in (workdir / _FOLDER).glob('*'))
  return max((int(name) for name in names if name.isdigit()), default=None)


def _reason(error: Exception) -> str:
  """Returns the beginning of an error's message.

  Orbax raises errors of many types, including KeyError, whose text is in
  quotes.
  """
  return str(error).strip('\'" ').split('\n')[0][:200]


def _parts(state: TrainState) -> dict[str, dict[str, Any]]:
  """Splits a state into the two parts of a checkpoint."""
  progress = {name: getattr(state, name) for name in _PROGRESS}
  if state.average is not None:
    progress |= state.variables
  return {'model': state.to_track, 'progress': progress}


def save_variables(
  folder: Path, config: dict[str, Any], variables: Variables
) -> None:
  """Writes a model without a training run, in the format of `load_variables`.

  Args:
    folder: Folder to write.
    config: Config of the model.
    variables: Weights and statistics of the network.
  """
  workdirs.claim(folder, config)
  with Checkpoints(folder) as checkpoints:
    checkpoints.save_model(0, variables)


def load_variables(checkpoint: str | Path) -> tuple[dict[str, Any], Variables]:
  """Loads the config, weights and statistics of a run or of a conversion.

  Args:
    checkpoint: FOLDER for the newest checkpoint, FOLDER@STEP for the checkpoint
      of a step, or FOLDER@best for the best validated checkpoint.

  Returns:
    The config, and the variables as NumPy arrays.

  Raises:
    FileNotFoundError: The folder does not hold a run with a finished
      checkpoint.
    ValueError: The step does not exist, or its checkpoint is damaged.
  """
  selected = re.fullmatch(r'(?P<folder>.+)@(?P<step>\d+|best)', str(checkpoint))
  folder = Path(selected['folder'] if selected else checkpoint)
  config = workdirs.read_config(folder)
  none_finished = FileNotFoundError(
    f'{folder}: no finished checkpoint yet; wait for the first one or choose '
    'another folder'
  )
  # `Checkpoints` would create the folder.
  if not (folder / _FOLDER).is_dir():
    raise none_finished
  with Checkpoints(folder) as checkpoints:
    if not checkpoints.steps:
      raise none_finished
    step = _step(checkpoints, folder, selected and selected['step'])
    return config, checkpoints.read_model(step)


def _step(checkpoints: Checkpoints, folder: Path, name: str | None) -> int:
  """Returns the step that a name selects.

  Args:
    checkpoints: Checkpoints of the folder.
    folder: Folder of the run, for messages.
    name: Number of a step, `best`, or None for the newest step.
  """
  steps = checkpoints.steps
  if name is None:
    return steps[-1]
  step = checkpoints.best if name == 'best' else int(name)
  if step is None:
    raise ValueError(
      f'{folder}: no checkpoint was validated; choose one of the steps '
      f'{_listed(steps)}'
    )
  if step not in steps:
    raise ValueError(
      f'{folder}: no step {step}; choose one of the steps {_listed(steps)}'
    )
  return step


def _listed(steps: tuple[int, ...]) -> str:
  return ', '.join(map(str, steps)) or 'none'
