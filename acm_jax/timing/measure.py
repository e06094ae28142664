"""Timing of several implementations (forms) of the same computation (work).

The forms take turns, so that noise of the machine affects all of them alike.
"""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from acm_jax.timing.worker import Worker

# Function to time, or process that times its own calls.
Timed = Callable[[], Any] | Worker
# Minimum and maximum number of rounds in which a form is timed.
LEAST_ROUNDS, MOST_ROUNDS = 3, 100
# Default of `Work.seconds`.
SECONDS = 2.0
# Pause before each timing, in seconds, so that the threads of the previous form
# come to rest.
_PAUSE = 0.01
# On an accelerator, calls are repeated until a timing lasts this long.
_LEAST_SECONDS = 0.005
_MOST_CALLS = 1000


@dataclasses.dataclass(frozen=True)
class Work:
  """Computation to time, with its alternative implementations, called forms.

  Attributes:
    labels: Description of the work; keys are columns of the table.
    forms: Functions to time, which take no arguments, and processes that time
      their own calls; keys are names. The first form is the reference. Timing
      waits for the arrays that a function returns.
    seconds: Time budget of each form. A form runs at least `LEAST_ROUNDS`
      rounds, and then further rounds until the budget is spent.
    repeats: Number of times that a call of a function does the work, if it is
      done several times in a row. Times are those of doing it once.
  """

  labels: Mapping[str, str]
  forms: Mapping[str, Timed]
  seconds: float = SECONDS
  repeats: int = 1


def measure(
  works: Iterable[Work], *, seconds: float | None = None
) -> list[dict[str, Any]]:
  """Times every form of the given works.

  First, every form of a work is called once, which compiles it. Then the forms
  are timed in rounds; a round times each form once. On an accelerator, a
  timing is the mean of several consecutive calls, so that the host starts a
  call while the device runs the previous one. No result can be shorter than the
  time that the host needs to start a call, about 20 us. Processes run only
  while their work is timed.

  Args:
    works: Works to time.
    seconds: Time budget of each form (default: `Work.seconds`).

  Returns:
    A row for each form: the labels of the work, `form` (its name), `compile_s`
    (time of the first call), `least_ms` and `median_ms` (minimum and median
    time of a call over the rounds), `rounds` (number of rounds), `ratio`
    (`least_ms` divided by that of the first form), and `note` (description of
    a process, or '').
  """
  rows = []
  for work in works:
    limit = work.seconds if seconds is None else seconds
    with contextlib.ExitStack() as processes:
      for form in work.forms.values():
        if isinstance(form, Worker):
          processes.enter_context(form)
      rows += _rows(work, limit)
  return rows


def _rows(work: Work, limit: float) -> list[dict[str, Any]]:
  """Times every form of a work, within `limit` seconds for each."""
  first = {name: seconds_of(form) for name, form in work.forms.items()}
  calls = {name: _calls(form, work) for name, form in work.forms.items()}
  times = _rounds(work.forms, calls, limit)
  for name, form in work.forms.items():
    if not isinstance(form, Worker):
      times[name] = [each / work.repeats for each in times[name]]
  ours = min(next(iter(times.values())))
  return [
    {
      **work.labels,
      'form': name,
      'compile_s': round(first[name], 3),
      'least_ms': round(1e3 * min(values), 4),
      'median_ms': round(1e3 * float(np.median(values)), 4),
      'rounds': len(values),
      'ratio': round(min(values) / ours, 3),
      'note': getattr(work.forms[name], 'note', ''),
    }
    for name, values in times.items()
  ]


def _calls(form: Timed, work: Work) -> int:
  """Returns the number of consecutive calls in one timing."""
  # On a CPU, consecutive calls could run in parallel on the host's cores.
  if work.repeats > 1 or jax.default_backend() == 'cpu':
    return 1
  return int(np.clip(_LEAST_SECONDS / seconds_of(form), 1, _MOST_CALLS))


def _rounds(
  forms: Mapping[str, Timed],
  calls: Mapping[str, int],
  seconds: float,
) -> dict[str, list[float]]:
  times = {name: [] for name in forms}

  def is_done(name):
    spent = sum(times[name]) * calls[name]
    return len(times[name]) >= LEAST_ROUNDS and spent > seconds

  while len(next(iter(times.values()))) < MOST_ROUNDS:
    for name, form in forms.items():
      if not is_done(name):
        time.sleep(_PAUSE)
        times[name].append(seconds_of(form, calls[name]))
    if all(map(is_done, forms)):
      break
  return times


def seconds_of(form: Timed, calls: int = 1) -> float:
  """Returns the mean seconds per call; waits until the last call is done.

  Args:
    form: Form to time.
    calls: Number of consecutive calls.
  """
  if isinstance(form, Worker):
    return form.seconds(calls)
  begun = time.perf_counter()
  for _ in range(calls):
    result = form()
  jax.block_until_ready(result)
  return (time.perf_counter() - begun) / calls


def table(rows: Sequence[Mapping[str, Any]]) -> str:
  """Formats the rows that `measure` returns as a Markdown table."""
  left_out = ['compile_s', 'rounds']
  if not any(row['note'] for row in rows):
    left_out.append('note')
  names = [name for name in rows[0] if name not in left_out]
  lines = [[str(row[name]) for name in names] for row in rows]
  lines = [names, ['---'] * len(names), *lines]
  return '\n'.join(f'| {" | ".join(line)} |' for line in lines)
