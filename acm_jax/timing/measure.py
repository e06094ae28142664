"""Timing forms of the same work in turn, so that noise hits them alike."""

import dataclasses
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

# Of one form: rounds, and seconds if the work says nothing else.
LEAST_ROUNDS, MOST_ROUNDS = 3, 100
SECONDS = 2.0
# Before each: threads of the form before it may still wait for work.
_PAUSE = 0.01
# A timing lasts at least so long on an accelerator, by calls in a row.
_LEAST_SECONDS = 0.005
_MOST_CALLS = 1000


@dataclasses.dataclass(frozen=True)
class Work:
  """One thing that is done in several forms.

  Attributes:
    labels: What tells it from other work, by column.
    forms: By name a function of nothing; the first is ours. What it returns is
      waited for.
    seconds: Of one form, after which no more rounds are begun.
  """

  labels: Mapping[str, str]
  forms: Mapping[str, Callable[[], Any]]
  seconds: float = SECONDS


def measure(
  works: Iterable[Work], *, seconds: float | None = None
) -> list[dict[str, Any]]:
  """Times every form of every work.

  Each is run once to be compiled, and then in rounds of all forms of a work. On
  an accelerator a timing is the mean of several calls in a row, so that the
  host starts one while the device runs another; a form that takes less than
  the host needs to start it, some 20 us, is timed at that.

  Args:
    works: What to time.
    seconds: In the place of the works' own; at least `LEAST_ROUNDS` are made.

  Returns:
    A row for each form: the work's labels, `form`, `compile_s` (the first
    call), `least_ms`, `median_ms`, `rounds`, and `ratio`: its least time over
    that of the first form.
  """
  rows = []
  for work in works:
    first = {name: _seconds(form) for name, form in work.forms.items()}
    calls = {name: _calls(form) for name, form in work.forms.items()}
    limit = work.seconds if seconds is None else seconds
    times = _rounds(work.forms, calls, limit)
    ours = min(next(iter(times.values())))
    rows += [
      {
        **work.labels,
        'form': name,
        'compile_s': round(first[name], 3),
        'least_ms': round(1e3 * min(values), 4),
        'median_ms': round(1e3 * float(np.median(values)), 4),
        'rounds': len(values),
        'ratio': round(min(values) / ours, 3),
      }
      for name, values in times.items()
    ]
  return rows


def _calls(form: Callable[[], Any]) -> int:
  """How many calls in a row one timing is of."""
  if jax.default_backend() == 'cpu':
    # Independent programs may run side by side on the host's cores.
    return 1
  return int(np.clip(_LEAST_SECONDS / _seconds(form), 1, _MOST_CALLS))


def _rounds(
  forms: Mapping[str, Callable[[], Any]],
  calls: Mapping[str, int],
  seconds: float,
) -> dict[str, list[float]]:
  times = {name: [] for name in forms}

  def enough(name):
    spent = sum(times[name]) * calls[name]
    return len(times[name]) >= LEAST_ROUNDS and spent > seconds

  while len(next(iter(times.values()))) < MOST_ROUNDS:
    for name, form in forms.items():
      if not enough(name):
        time.sleep(_PAUSE)
        times[name].append(_seconds(form, calls[name]))
    if all(map(enough, forms)):
      break
  return times


def _seconds(form: Callable[[], Any], calls: int = 1) -> float:
  """Mean time of a call; the last one is waited for."""
  begun = time.perf_counter()
  for _ in range(calls):
    result = form()
  jax.block_until_ready(result)
  return (time.perf_counter() - begun) / calls


def table(rows: Sequence[Mapping[str, Any]]) -> str:
  """The rows as a Markdown table."""
  names = [name for name in rows[0] if name not in ('compile_s', 'rounds')]
  lines = [[str(row[name]) for name in names] for row in rows]
  lines = [names, ['---'] * len(names), *lines]
  return '\n'.join(f'| {" | ".join(line)} |' for line in lines)
