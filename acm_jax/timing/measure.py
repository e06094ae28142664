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

  Each is run once to be compiled, and then in rounds of all forms of a work.

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
    times = _rounds(work.forms, work.seconds if seconds is None else seconds)
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


def _rounds(
  forms: Mapping[str, Callable[[], Any]], seconds: float
) -> dict[str, list[float]]:
  times = {name: [] for name in forms}
  while len(next(iter(times.values()))) < MOST_ROUNDS:
    for name, form in forms.items():
      enough = len(times[name]) >= LEAST_ROUNDS
      if not (enough and sum(times[name]) > seconds):
        time.sleep(_PAUSE)
        times[name].append(_seconds(form))
    if all(len(t) >= LEAST_ROUNDS and sum(t) > seconds for t in times.values()):
      break
  return times


def _seconds(form: Callable[[], Any]) -> float:
  begun = time.perf_counter()
  jax.block_until_ready(form())
  return time.perf_counter() - begun


def table(rows: Sequence[Mapping[str, Any]]) -> str:
  """The rows as a Markdown table."""
  names = [name for name in rows[0] if name not in ('compile_s', 'rounds')]
  lines = [[str(row[name]) for name in names] for row in rows]
  lines = [names, ['---'] * len(names), *lines]
  return '\n'.join(f'| {" | ".join(line)} |' for line in lines)
