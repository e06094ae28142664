"""Logs a run on the host, one step behind the device."""

import contextlib
import math
import time
from pathlib import Path

import jax
import numpy as np
from absl import logging

from acm_jax.host.progress import Progress
from acm_jax.training import processes
from acm_jax.training.checkpoints import CRITERION
from acm_jax.training.fit import Done
from acm_jax.training.metrics import Values, Writer

# Number of consecutive skipped steps after which a run stops.
_PATIENCE = 10


class Diverged(RuntimeError):
  """Training has diverged."""


class RunLog(contextlib.ExitStack):
  """Context manager that writes metrics, and stops a run that diverges.

  The metrics of a step are fetched after the next step was started, so that the
  device never waits for the host. With several processes, every process counts
  skipped steps, and only the first process writes. A step is skipped, and
  updates no weights, if its loss is too large, or if its loss, gradient or
  batch-norm statistics are not finite.
  """

  def __init__(
    self,
    workdir: Path,
    *,
    first_step: int,
    total_steps: int,
    batch_size: int,
    every: int,
    wandb: str = '',
  ):
    """Opens the files of the run, in the first process.

    Args:
      workdir: Folder of the run.
      first_step: Number of steps that the run has already taken; 0 for a new
        run.
      total_steps: Number of steps of the whole run.
      batch_size: Number of pairs in a step, over all processes.
      every: Number of steps from one row of metrics to the next.
      wandb: Project of Weights & Biases; empty to send nothing.
    """
    super().__init__()
    self._writes = processes.is_first()
    if self._writes:
      self._writer = self.enter_context(Writer(workdir, first_step, wandb))
      self._progress = self.enter_context(
        Progress('training', total_steps, 'steps', first_step)
      )
    self._batch_size = batch_size
    self._every = every
    self._last_step = total_steps
    self._pending = None
    # Metrics to show with the progress; keys are names.
    self._shown: dict[str, float] = {}
    self._rows: list[Values] = []
    # Step and time from which the training speed is computed; None until the
    # end of the first step, which includes compilation.
    self._mark: tuple[int, float] | None = None

  def add(self, done: Done) -> bool:
    """Adds a step, which may still be running, and logs the previous step.

    Returns:
      Always False. The method is a hook of `fit`, and True would stop training.

    Raises:
      Diverged: Ten consecutive steps were skipped.
    """
    self.flush()
    self._pending = (done.step, done.metrics, done.batch.sample_id)
    return False

  def add_validation(self, step: int, metrics: Values) -> None:
    """Writes the metrics of a validation after `step` steps.

    The duration of the validation is excluded from the training speed.
    """
    if not self._writes:
      return
    self._writer.write(step, metrics)
    self._shown['overlap'] = metrics[CRITERION]
    if self._mark is not None:
      self._mark = (step, time.monotonic())
      self._progress.leave_out(step)
    self._show(step)

  def flush(self) -> None:
    """Waits for the step that was added last, and logs its metrics.

    Raises:
      Diverged: Ten consecutive steps were skipped.
    """
    if self._pending is None:
      return
    (step, metrics, sample_id), self._pending = self._pending, None
    values = {name: float(x) for name, x in jax.device_get(metrics).items()}
    self._watch(step, values, sample_id)
    if self._writes:
      self._record(step, values)

  def _record(self, step: int, values: Values) -> None:
    self._rows.append(values)
    if self._mark is None:
      self._mark = (step, time.monotonic())
      self._progress.leave_out(step)
    if step % self._every == 0 or step == self._last_step:
      self._write(step)
    self._show(step)

  def _show(self, step: int) -> None:
    shown = [f'{name} {value:.4f}' for name, value in self._shown.items()]
    self._progress.update(step, ', '.join(shown))

  def _watch(self, step: int, values: Values, sample_id: np.ndarray) -> None:
    if not values['skipped_in_a_row']:
      return
    logging.warning(
      'step %d skipped: loss %g, gradient norm %g; for each template, the '
      'number of its data set and the number of its track: %s',
      step,
      values['loss'],
      values['grad_norm'],
      sample_id.tolist(),
    )
    if values['skipped_in_a_row'] >= _PATIENCE:
      raise Diverged(
        f'step {step}: {_PATIENCE} consecutive steps were skipped, because the '
        'loss, the gradient or the batch-norm statistics were not finite, or '
        'the loss was too large; lower the learning rate or check the samples '
        'that the warnings above list'
      )

  def _write(self, step: int) -> None:
    rows, self._rows = self._rows, []
    summary = {name: _summary(name, rows) for name in rows[-1]}
    summary['pairs_per_s'] = self._speed(step)
    self._writer.write(step, summary)
    self._shown['loss'] = summary['loss']

  def _speed(self, step: int) -> float:
    (since, begun), now = self._mark, time.monotonic()
    self._mark = (step, now)
    if step == since:
      return math.nan
    return (step - since) * self._batch_size / (now - begun)


def _summary(name: str, rows: list[Values]) -> float:
  """Summarizes a metric over several steps.

  Losses and the gradient norm are averaged over the steps that were not
  skipped. Any other metric is summarized by its last value.
  """
  if not name.startswith('loss') and name != 'grad_norm':
    return rows[-1][name]
  taken = [row[name] for row in rows if not row['skipped_in_a_row']]
  return math.fsum(taken) / len(taken) if taken else math.nan
