"""Progress of long work: a bar on a terminal, plain lines elsewhere."""

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import (
  BarColumn,
  MofNCompleteColumn,
  Progress,
  ProgressColumn,
  TextColumn,
  TimeRemainingColumn,
)
from rich.text import Text

T = TypeVar('T')
SECONDS_BETWEEN_LINES = 10.0


class RateColumn(ProgressColumn):
  """Items per second."""

  def __init__(self, unit: str):
    super().__init__()
    self._unit = unit

  def render(self, task) -> Text:
    return Text(f'{task.speed or 0:.1f} {self._unit}/s')


def progress(
  items: Iterable[T], label: str, total: int | None, unit: str
) -> Iterator[T]:
  """Passes items on and shows how many, how fast and how long still.

  Args:
    items: What is worked on.
    label: What the work is.
    total: How many there are, if known.
    unit: What one item is, in the plural.
  """
  console = Console(stderr=True)
  if console.is_terminal:
    return _bar(items, label, total, unit, console)
  return _lines(items, label, total, unit, console)


def _bar(items, label, total, unit, console):
  columns = (
    TextColumn(label),
    BarColumn(),
    MofNCompleteColumn(),
    RateColumn(unit),
    TimeRemainingColumn(),
  )
  with Progress(*columns, console=console, transient=True) as bar:
    yield from bar.track(items, total=total)


def _lines(items, label, total, unit, console):
  start = last = time.monotonic()
  count = 0
  for count, item in enumerate(items, 1):
    yield item
    now = time.monotonic()
    if now - last >= SECONDS_BETWEEN_LINES:
      last = now
      rate = count / (now - start)
      left = f', {(total - count) / rate:.0f} s left' if total else ''
      of = f' of {total}' if total else ''
      text = f'{label}: {count}{of} {unit}, {rate:.1f} {unit}/s{left}'
      console.print(text, highlight=False, soft_wrap=True)
  seconds = time.monotonic() - start
  console.print(
    f'{label}: {count} {unit} in {seconds:.1f} s',
    highlight=False,
    soft_wrap=True,
  )
