"""Checkpoints of a run: saved in training, and restored to any device mesh.

A checkpoint has two parts: `model`, which is sufficient for tracking, and
`progress`, which is also needed to resume a run. If a run averages its weights,
`model` holds the average, and `progress` holds the weights that are being
trained. Each part has a checksum, because Orbax does not notice all damage.
"""

import contextlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from orbax.checkpoint import v1 as ocp

from acm_jax.tracking.contract import Variables
from acm_jax.training import damage, processes
from acm_jax.training.checksum import checksum
from acm_jax.training.damage import DamagedError
from acm_jax.training.state import TrainState

# Validation metric that ranks the checkpoints.
CRITERION = 'validation_average_overlap'
# Key of the settings of a validation among the metrics of the validation.
_MEASURED = 'measured'
# Key of the checksums of the parts in the metadata of a checkpoint.
_CHECKSUMS = 'checksums'
_FOLDER = 'checkpoints'
# Folder for damaged checkpoints, next to that of the checkpoints.
_DAMAGED = 'damaged_checkpoints'
_ELSEWHERE = 'another process found it damaged'
_PROGRESS = ('step', 'opt_state', 'skipped', 'skipped_in_a_row')


class Checkpoints:
  """Context manager that saves and restores the checkpoints of a run."""

  def __init__(
    self,
    workdir: Path,
    keep: int | None = None,
    measured: str = '',
    *,
    clean: bool = False,
  ):
    """Opens the checkpoints of a run, creating their folder if necessary.

    Args:
      workdir: Folder of the run.
      keep: Number of newest checkpoints to keep (default: all). The best
        checkpoint is always kept.
      measured: Settings of the validation as JSON, from `resuming.measured`.
        A new checkpoint stores these settings next to its metrics, because only
        metrics with equal settings can be compared.
      clean: Whether to remove what killed processes have left in the folder; no
        other process may be saving checkpoints in it.
    """
    policies = ocp.training.preservation_policies
    policy = policies.AnyPreservationPolicy([policies.LatestN(keep), _Best()])
    self._measured = measured
    self._checkpointer = ocp.training.Checkpointer(
      workdir.resolve() / _FOLDER,
      preservation_policy=policy,
      cleanup_tmp_directories=clean,
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
    """Steps of all checkpoints, ascending.

    The step of a checkpoint that is still being saved is included.
    """
    return tuple(c.step for c in self._checkpointer.checkpoints)

  @property
  def best(self) -> int | None:
    """Step of the checkpoint with the highest validation overlap.

    None if no checkpoint was validated. Only checkpoints that were validated
    with the same settings as the newest validated checkpoint are compared. The
    newest of several equally good checkpoints is the best.
    """
    return _best(self._checkpointer.checkpoints)

  def save(
    self, state: TrainState, metrics: Mapping[str, float] | None = None
  ) -> None:
    """Starts saving a state, unless its step is already saved.

    Args:
      state: State to save.
      metrics: Metrics of the validation of the state, which must include the
        average overlap (key `CRITERION`). None if the state was not validated.

    Raises:
      RuntimeError: The previous state could not be saved.
    """
    step = int(state.step)
    if step in self.steps:
      return
    # Copies, because the next step reuses the memory of the state.
    parts = _parts(jax.tree.map(jnp.copy, state))
    metrics = metrics and {**metrics, _MEASURED: self._measured}
    checksums = {name: checksum(part) for name, part in parts.items()}
    with self._saving():
      self._checkpointer.save_checkpointables_async(
        step,
        parts,
        force=True,
        metrics=metrics,
        custom_metadata={_CHECKSUMS: checksums},
      )

  def restore_newest(
    self, like: Callable[[int], TrainState]
  ) -> TrainState | None:
    """Restores the newest checkpoint that is intact.

    Damaged checkpoints that are newer are moved out of the folder, because the
    run will save their steps again.

    Args:
      like: Function that returns the second argument of `restore` for a step.

    Returns:
      The state; None if there is no checkpoint.

    Raises:
      DamagedError: All checkpoints are damaged; they stay in their folder.
      RuntimeError: A checkpoint cannot be read, but need not be damaged.
    """
    damaged = []
    for step in reversed(self.steps):
      state = error = None
      try:
        state = self.restore(step, like(step))
      except DamagedError as raised:
        error = raised
      # All processes must restore the same step.
      if processes.all_agree(state is not None):
        self._set_aside(damaged)
        return state
      damaged.append((step, error or self._damaged(step, _ELSEWHERE)))
    if damaged:
      _, newest = damaged[0]
      raise newest
    return None

  def _set_aside(self, damaged: Sequence[tuple[int, DamagedError]]) -> None:
    """Moves damaged checkpoints out of the folder, and says so."""
    if processes.is_first():
      others = self._checkpointer.directory.with_name(_DAMAGED)
      for step, error in damaged:
        paths = (others / f'{step}.{n}' for n in itertools.count(1))
        path = next(path for path in paths if not path.exists())
        others.mkdir(exist_ok=True)
        (self._checkpointer.directory / str(step)).rename(path)
        print(
          f'the checkpoint of step {step} is damaged ({error.reason}) and now '
          f'in {path}',
          flush=True,
        )
    if damaged:
      processes.wait('set aside')
      self._checkpointer.reload()

  def restore(self, step: int, like: TrainState) -> TrainState:
    """Restores the state of a step.

    Args:
      step: One of `steps`.
      like: State with the shapes, types and shardings to restore.

    Raises:
      DamagedError: The checkpoint is damaged or does not have the arrays that
        `like` describes.
      RuntimeError: The checkpoint cannot be read, but need not be damaged.
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
      DamagedError: The checkpoint is damaged.
      RuntimeError: The checkpoint cannot be read, but need not be damaged.
    """
    with self._reading(step):
      metadata = self._checkpointer.checkpointables_metadata(step).metadata
      like = jax.tree.map(
        lambda x: np.empty(x.shape, x.dtype), metadata['model']
      )
    return self.read(step, {'model': like})['model']

  def read(self, step: int, like: dict[str, Any]) -> dict[str, Any]:
    """Reads one or both parts of a checkpoint.

    Args:
      step: One of `steps`.
      like: Arrays with the shapes, types and shardings to read; keys are the
        names of the parts, `model` and `progress`.

    Returns:
      The arrays of each part in `like`.

    Raises:
      DamagedError: The checkpoint is damaged or does not have the arrays that
        `like` describes.
      RuntimeError: The checkpoint cannot be read, but need not be damaged.
    """
    with self._reading(step):
      parts = self._checkpointer.load_checkpointables(step, like)
      metadata = self._checkpointer.checkpointables_metadata(step)
    # Checkpoints written by old versions of this library have no checksums.
    expected = (metadata.custom_metadata or {}).get(_CHECKSUMS, {})
    for name, part in parts.items():
      if name in expected and checksum(part) != expected[name]:
        raise self._damaged(step, f'wrong checksum of the part {name}')
    return parts

  @contextlib.contextmanager
  def _saving(self) -> Iterator[None]:
    """Raises RuntimeError if saving in the `with` block fails."""
    try:
      yield
    except Exception as error:
      raise RuntimeError(
        f'{self._checkpointer.directory}: a checkpoint cannot be written '
        f'({damage.reason(error)}); check that the disk is not full'
      ) from error

  @contextlib.contextmanager
  def _reading(self, step: int) -> Iterator[None]:
    """Raises DamagedError or RuntimeError if reading in the block fails."""
    folder = Path(self._checkpointer.directory, str(step))
    try:
      yield
    except Exception as error:
      obstacle = damage.obstacle(error, folder)
      if obstacle is None:
        cause = damage.cause_of(error)
        raise self._damaged(step, damage.reason(cause)) from error
      raise RuntimeError(
        f'{folder}: the checkpoint cannot be read '
        f'({damage.reason(obstacle)}); it may be intact: remove the obstacle, '
        'and repeat the command'
      ) from error

  def _damaged(self, step: int, reason: str) -> DamagedError:
    others = tuple(each for each in self.steps if each != step)
    return DamagedError(
      f'{self._checkpointer.directory / str(step)}: the checkpoint is '
      f'damaged or belongs to another network ({reason}); remove '
      'this folder, or choose an intact checkpoint as DIR@STEP (other steps: '
      f'{_listed(others)})',
      reason,
    )


class _Best(ocp.training.preservation_policies.PreservationPolicy):
  """Policy that preserves the best checkpoint."""

  def should_preserve(self, checkpoints, *, context):
    best = _best(checkpoints)
    return [checkpoint.step == best for checkpoint in checkpoints]


def _best(checkpoints: Sequence[Any]) -> int | None:
  """Returns the step of the best validated checkpoint, if any.

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
    # Checkpoints written by old versions of this library have no settings.
    if c.metrics.get(_MEASURED, measured) == measured
  ]
  return max(ranked)[1]


def newest_step(workdir: Path) -> int | None:
  """Returns the step of the newest finished checkpoint of a run, if any.

  Creates no folder, unlike `Checkpoints`.

  Args:
    workdir: Folder of the run, which need not exist.
  """
  # The folder of a finished checkpoint is named after the step. The name of an
  # unfinished checkpoint's folder has a suffix.
  names = (path.name for path in (workdir / _FOLDER).glob('*'))
  return max((int(name) for name in names if name.isdigit()), default=None)


def _parts(state: TrainState) -> dict[str, dict[str, Any]]:
  """Splits a state into the two parts of a checkpoint."""
  progress = {name: getattr(state, name) for name in _PROGRESS}
  if state.average is not None:
    progress |= state.variables
  return {'model': state.to_track, 'progress': progress}


def read_variables(folder: Path, selected: str | None = None) -> Variables:
  """Reads the weights and statistics of a checkpoint, as NumPy arrays.

  Args:
    folder: Folder of a run.
    selected: Number of a step, or `best` for the best validated checkpoint
      (default: the newest checkpoint).

  Raises:
    FileNotFoundError: The folder has no finished checkpoint.
    RuntimeError: The checkpoint cannot be read, but need not be damaged.
    ValueError: The checkpoint is damaged, the step does not exist, or `best` is
      requested and no checkpoint was validated.
  """
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
    return checkpoints.read_model(_step(checkpoints, folder, selected))


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
      f'{folder}: no checkpoint was validated, so none is the best; choose one '
      f'of the steps {_listed(steps)}'
    )
  if step not in steps:
    raise ValueError(
      f'{folder}: no step {step}; choose one of the steps {_listed(steps)}'
    )
  return step


def _listed(steps: tuple[int, ...]) -> str:
  return ', '.join(map(str, steps)) or 'none'
