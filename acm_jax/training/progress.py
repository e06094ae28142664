"""How far a run is: a live line on a terminal, plain lines elsewhere."""

import datetime
import math

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn


class ProgressLine:
  """Steps done, what was measured last, and the time left.

  A context manager.
  """

  def __init__(self, first_step: int, total_steps: int, batch_size: int):
    self._total = total_steps
    self._batch_size = batch_size
    self._bar = None
    console = Console()
    if console.is_terminal:
      self._bar = Progress(
        TextColumn('step'),
        MofNCompleteColumn(),
        BarColumn(),
        TextColumn('{task.fields[status]}'),
        console=console,
      )
      self._task = self._bar.add_task(
        '', total=total_steps, completed=first_step, status='compiling'
      )

  def __enter__(self) -> 'ProgressLine':
    if self._bar:
      self._bar.start()
    return self

  def __exit__(self, *_) -> None:
    if self._bar:
      self._bar.stop()

  def step(self, step: int) -> None:
    """Moves the bar of a terminal."""
    if self._bar:
      self._bar.update(self._task, completed=step)

  def report(self, step: int, loss: float, pairs_per_s: float) -> None:
    """Shows what the last log interval gave."""
    status = f'loss {loss:.4f}'
    if math.isfinite(pairs_per_s):
      seconds = (self._total - step) * self._batch_size / pairs_per_s
      left = datetime.timedelta(seconds=round(seconds))
      status += f'  {pairs_per_s:.1f} pairs/s  {left} left'
    if self._bar:
      self._bar.update(self._task, status=status)
    else:
      print(f'step {step}/{self._total}  {status}', flush=True)
