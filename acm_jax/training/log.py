"""Follows a run on the host, one step behind the device."""

import contextlib
import math
import time
from pathlib import Path

import jax
import numpy as np
from absl import logging
from jaxtyping import UInt32

from acm_jax.host.progress import Progress
from acm_jax.training import processes
from acm_jax.training.checkpoints import CRITERION
from acm_jax.training.metrics import Values, Writer
from acm_jax.training.step import Metrics

# Steps in a row that were not taken, after which a run stops.
_PATIENCE = 10


class RunLog(contextlib.ExitStack):
  """Writes the metrics of each interval, and watches for skipped steps.

  A context manager. The metrics of a step are fetched when the next step has
  been started, so that the device never waits for the host. Of several
  processes all watch and one writes.
  """

  def __init__(
    self,
    workdir: Path,
    *,
    first_step: int,
    total_steps: int,
    batch_size: int,
    every: int,
  ):
    super().__init__()
    self._writes = processes.is_first()
    if self._writes:
      self._writer = self.enter_context(Writer(workdir, first_step))
      self._progress = self.enter_context(
        Progress('training', total_steps, 'steps', first_step)
      )
    self._batch_size = batch_size
    self._every = every
    self._last_step = total_steps
    self._pending = None
    # Figures shown beside the progress, by name.
    self._shown: dict[str, float] = {}
    self._rows: list[Values] = []
    # Step and time from which the rate counts: not from the first step, which
    # is compiled.
    self._mark: tuple[int, float] | None = None

  def add(
    self, step: int, metrics: Metrics, sample_id: UInt32[np.ndarray, 'b 2']
  ) -> None:
    """Takes the metrics of a step that may still run.

    Args:
      step: Steps done after it.
      metrics: Its metrics.
      sample_id: Of its batch.

    Raises:
      RuntimeError: Ten steps in a row were not taken.
    """
    self.flush()
    self._pending = (step, metrics, sample_id)

  def add_validation(self, step: int, figures: Values) -> None:
    """Writes what a validation after `step` steps gave.

    The time that it took is not taken for that of training steps.
    """
    if not self._writes:
      return
    self._writer.write(step, figures)
    self._shown['overlap'] = figures[CRITERION]
    # Before the first step the rate has not begun to count.
    if self._mark is not None:
      self._mark = (step, time.monotonic())
      self._progress.leave_out(step)
    self._show(step)

  def flush(self) -> None:
    """Waits for the step that was added last and writes what it gave."""
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
      'step %d skipped: loss %g, gradient norm %g; (set, track) of its '
      'templates: %s',
      step,
      values['loss'],
      values['grad_norm'],
      sample_id.tolist(),
    )
    if values['skipped_in_a_row'] >= _PATIENCE:
      raise RuntimeError(
        f'step {step}: the numbers of {_PATIENCE} steps in a row were not '
        'finite, or the loss too large; lower the learning rate or look at the '
        'samples listed above'
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
  """Mean over the steps that were taken of what varies; else the last value."""
  if not name.startswith('loss') and name != 'grad_norm':
    return rows[-1][name]
  taken = [row[name] for row in rows if not row['skipped_in_a_row']]
  return math.fsum(taken) / len(taken) if taken else math.nan
