"""Checkpoints of a run: saved while training goes on, restored to any mesh.

A checkpoint has two parts: `model`, which is all that tracking needs, and
`progress`, which a resumed run needs besides. Where a run averages its weights
`model` holds the average and `progress` the weights that train.
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

# Figure of a validation by which the best checkpoint is chosen.
CRITERION = 'validation_average_overlap'
# Beside the figures of a checkpoint, what else than weights they follow from.
_MEASURED = 'measured'
_FOLDER = 'checkpoints'
_MODEL = ('params', 'batch_stats')
_PROGRESS = ('step', 'opt_state', 'skipped', 'skipped_in_a_row')


class Checkpoints:
  """The checkpoints of one run; a context manager."""

  def __init__(
    self, workdir: Path, keep: int | None = None, measured: str = ''
  ):
    """Opens or makes the folder of checkpoints in `workdir`.

    Args:
      workdir: Folder of the run.
      keep: How many of the newest stay, beside the best; all if it is not
        given.
      measured: What the figures of those to come follow from besides the
        weights; see `resuming.measured`.
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
    """Waits for what is being saved.

    Raises:
      RuntimeError: It could not be saved.
    """
    with self._saving():
      self._checkpointer.close()

  @property
  def steps(self) -> tuple[int, ...]:
    """Steps that are saved or being saved, ascending."""
    return tuple(c.step for c in self._checkpointer.checkpoints)

  @property
  def best(self) -> int | None:
    """Step of the best checkpoint, the newest of equals; None without one.

    It is the best of those that were measured as the newest one was.
    """
    return _best(self._checkpointer.checkpoints)

  def save(
    self, state: TrainState, figures: Mapping[str, float] | None = None
  ) -> None:
    """Begins to save a state, unless it is saved already.

    Args:
      state: State to save.
      figures: Figures of its validation, `CRITERION` among them.

    Raises:
      RuntimeError: The one before could not be saved.
    """
    step = int(state.step)
    if step in self.steps:
      return
    # Copies: the next step is given the state's own memory.
    parts = _parts(jax.tree.map(jnp.copy, state))
    metrics = figures and {**figures, _MEASURED: self._measured}
    with self._saving():
      self._checkpointer.save_checkpointables_async(
        step, parts, force=True, metrics=metrics
      )

  def save_model(self, step: int, variables: Variables) -> None:
    """Saves weights and statistics alone, from which no run goes on."""
    self._checkpointer.save_checkpointables(
      step, {'model': {name: variables[name] for name in _MODEL}}
    )

  def restore(self, step: int, like: TrainState) -> TrainState:
    """The state of a step.

    Args:
      step: One of `steps`.
      like: Shapes, types and shardings of the state.

    Raises:
      ValueError: The checkpoint is damaged or of another network.
    """
    parts = self.read(step, _parts(like))
    if like.average is None:
      return TrainState(**parts['model'], **parts['progress'])
    return TrainState(**parts['progress'], average=parts['model'])

  def read_model(self, step: int) -> Variables:
    """Weights and statistics of a step, as NumPy arrays.

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
    """Parts of a checkpoint, into the shapes and places of `like`."""
    try:
      return self._checkpointer.load_checkpointables(step, like)
    except Exception as error:
      raise self._damaged(step, error) from error

  @contextlib.contextmanager
  def _saving(self) -> Iterator[None]:
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
      f'incomplete or of another network ({_reason(error)}); there are steps '
      f'{_listed(self.steps)}: remove its folder, or name another, DIR@STEP'
    )


class _Best(ocp.training.preservation_policies.PreservationPolicy):
  """Keeps the best checkpoint."""

  def should_preserve(self, checkpoints, *, context):
    best = _best(checkpoints)
    return [checkpoint.step == best for checkpoint in checkpoints]


def _best(checkpoints: Sequence[Any]) -> int | None:
  """See `Checkpoints.best`; orbax's metadata of checkpoints, ascending."""
  validated = [c for c in checkpoints if c.metrics]
  if not validated:
    return None
  measured = validated[-1].metrics.get(_MEASURED)
  ranked = [
    (c.metrics[CRITERION], c.step)
    for c in validated
    # Checkpoints of former code do not say it.
    if c.metrics.get(_MEASURED, measured) == measured
  ]
  return max(ranked)[1]


def newest_step(workdir: Path) -> int | None:
  """Step of the newest checkpoint of a folder; makes nothing there."""
  # One that is being written has a longer name.
  names = (path.name for path in (workdir / _FOLDER).glob('*'))
  return max((int(name) for name in names if name.isdigit()), default=None)


def _reason(error: Exception) -> str:
  """In short; orbax raises errors of many types, KeyError among them."""
  return str(error).strip('\'" ').split('\n')[0][:200]


def _parts(state: TrainState) -> dict[str, dict[str, Any]]:
  progress = {name: getattr(state, name) for name in _PROGRESS}
  if state.average is not None:
    progress |= state.variables
  return {'model': state.to_track, 'progress': progress}


def save_variables(
  folder: Path, config: dict[str, Any], variables: Variables
) -> None:
  """Writes what `load_variables` reads: a model that no run made."""
  workdirs.claim(folder, config)
  with Checkpoints(folder) as checkpoints:
    checkpoints.save_model(0, variables)


def load_variables(place: str | Path) -> tuple[dict[str, Any], Variables]:
  """What tracking needs of a run: its config, and weights and statistics.

  Args:
    place: Folder of a run or of a conversion: its newest step; FOLDER@STEP; or
      FOLDER@best, the best of those that were validated.

  Returns:
    The config, and variables as NumPy arrays.

  Raises:
    FileNotFoundError: The folder holds no run, or no finished checkpoint.
    ValueError: There is no such step, or the checkpoint is damaged.
  """
  named = re.fullmatch(r'(.+)@(\d+|best)', str(place))
  folder = Path(named[1] if named else place)
  config = workdirs.read_config(folder)
  if not (folder / _FOLDER).is_dir():
    raise FileNotFoundError(f'{folder}: no finished checkpoint in it yet')
  with Checkpoints(folder) as checkpoints:
    if not checkpoints.steps:
      raise FileNotFoundError(f'{folder}: no finished checkpoint in it yet')
    step = _step(checkpoints, folder, named and named[2])
    return config, checkpoints.read_model(step)


def _step(checkpoints: Checkpoints, folder: Path, name: str | None) -> int:
  """The step of a name: a number, `best`, or None for the newest."""
  steps = checkpoints.steps
  if name is None:
    return steps[-1]
  step = checkpoints.best if name == 'best' else int(name)
  if step is None:
    raise ValueError(
      f'{folder}: no checkpoint was validated; there are {_listed(steps)}'
    )
  if step not in steps:
    raise ValueError(f'{folder}: no step {step}, but {_listed(steps)}')
  return step


def _listed(steps: tuple[int, ...]) -> str:
  return ', '.join(map(str, steps)) or 'none'
