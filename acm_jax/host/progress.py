"""Progress of long tasks: a bar on a terminal, plain lines elsewhere."""

import contextlib
import datetime
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from rich import progress as rich_progress
from rich.console import Console
from rich.text import Text

T = TypeVar('T')
SECONDS_BETWEEN_LINES = 10.0


class Progress(contextlib.ExitStack):
  """Context manager that shows the items done, the rate and the time left.

  A terminal gets a bar, any other output a line every ten seconds. Both get a
  final line, unless an error ends the task. Everything is written to stdout,
  because stderr is reserved for errors.
  """

  def __init__(
    self,
    label: str,
    total: int | None,
    unit: str,
    done: int = 0,
    clock: Callable[[], float] | None = None,
  ):
    """Starts the clock.

    Args:
      label: Name of the task.
      total: Number of items, if known.
      unit: Name of the items, in the plural.
      done: Number of items that were done earlier and do not affect the rate.
      clock: Function that returns a time in seconds, which stands still in
        phases that must not affect the rate, such as compilation (default:
        `time.monotonic`).
    """
    super().__init__()
    self._label, self._total, self._unit = label, total, unit
    self._first, self._done, self._status = done, done, ''
    self._begun, self._clock = time.monotonic(), clock or time.monotonic
    # Start of the interval over which the next line's rate is measured: number
    # of items done, and time.
    self._mark = done, self._clock()
    self._console = Console()
    self._bar = None
    if self._console.is_terminal:
      self._bar = self.enter_context(self._make_bar())

  def __exit__(self, kind, error, trace) -> None:
    super().__exit__(kind, error, trace)
    if kind is None:
      count = self._done - self._first
      seconds = time.monotonic() - self._begun
      self._print(f'{count} {self._unit} in {seconds:.1f} s')

  def update(self, done: int, status: str = '') -> None:
    """Sets the number of items done and a text to show after the numbers."""
    self._done, self._status = done, status
    if self._bar:
      task = self._bar.task_ids[0]
      self._bar.update(task, completed=done, status=status)
    elif self._clock() - self._mark[1] >= SECONDS_BETWEEN_LINES:
      self._line()

  def leave_out(self, done: int) -> None:
    """Excludes the time before this call from the rate in the next line.

    Slow phases, such as compilation, would distort the rate.

    Args:
      done: Number of items done until now.
    """
    self._mark = done, self._clock()

  def _line(self) -> None:
    (before, since), now = self._mark, self._clock()
    self._mark = self._done, now
    rate = (self._done - before) / (now - since)
    of_total, left = '', ''
    if self._total:
      of_total = f' of {self._total}'
    if self._total and rate:
      seconds = (self._total - self._done) / rate
      left = f', {datetime.timedelta(seconds=round(seconds))} left'
    self._print(
      f'{self._done}{of_total} {self._unit}, {rate:.2f} {self._unit}/s{left}'
    )

  def _print(self, text: str) -> None:
    status = f', {self._status}' if self._status else ''
    line = f'{self._label}: {text}{status}'
    self._console.print(line, highlight=False, markup=False, soft_wrap=True)

  def _make_bar(self) -> rich_progress.Progress:
    bar = rich_progress.Progress(
      rich_progress.TextColumn(self._label, markup=False),
      rich_progress.BarColumn(),
      rich_progress.MofNCompleteColumn(),
      _Rate(self._unit),
      rich_progress.TimeRemainingColumn(),
      rich_progress.TextColumn('{task.fields[status]}', markup=False),
      console=self._console,
      transient=True,
      get_time=self._clock,
    )
    bar.add_task('', total=self._total, completed=self._done, status='')
    return bar


class _Rate(rich_progress.ProgressColumn):
  """Column that shows the items per second."""

  def __init__(self, unit: str):
    super().__init__()
    self._unit = unit

  def render(self, task: rich_progress.Task) -> Text:
    return Text(f'{task.speed or 0:.2f} {self._unit}/s')


def progress(
  items: Iterable[T],
  label: str,
  total: int | None,
  unit: str,
  clock: Callable[[], float] | None = None,
) -> Iterator[T]:
  """Yields the items, and shows how many have been processed.

  Args:
    items: Items to process.
    label: Name of the task.
    total: Number of items, if known.
    unit: Name of the items, in the plural.
    clock: Time in seconds, as in `Progress`.
  """
  with Progress(label, total, unit, clock=clock) as shown:
    for count, item in enumerate(items, 1):
      yield item
      shown.update(count)
