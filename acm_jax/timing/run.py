"""The parts that can be timed, by name, from devices to a file."""

import functools
import itertools
import json
import os
import runpy
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import jax

from acm_jax import trackers
from acm_jax.modules import fusion
from acm_jax.timing import operators, steps
from acm_jax.timing.measure import Work, measure, table
from acm_jax.tracking.contract import Tracker
from data_pipelines.staging import replacing


def _fusion(
  others: operators.Others, batch_size: int, only: tuple[str, ...]
) -> Iterator[Work]:
  yield from operators.fusions(others, batch_size, only)
  yield from operators.depthwise(others, batch_size, only)


def _step(
  others: operators.Others, batch_size: int, only: tuple[str, ...]
) -> Iterator[Work]:
  for tracker, fused in itertools.product(trackers.names(), fusion.names()):
    name = f'{tracker} {fused}'
    make = functools.partial(_tracker, tracker, fused)
    if name.startswith(only) and _fits(make):
      yield from steps.steps(name, make, batch_size)


def _fits(make: Callable[[str], Tracker]) -> bool:
  """Whether a tracker has that fusion."""
  try:
    make('float32')
  except ValueError:
    return False
  return True


def _tracker(name: str, fused: str, precision: str) -> Tracker:
  # ACM with the released head.
  head = {'head_size': 3} if fused == 'acm' and name != 'siamfc' else {}
  return trackers.make(name, fusion=fused, precision=precision, **head)


PARTS = {'fusion': _fusion, 'step': _step}


def run(
  part: str,
  out: Path,
  *,
  batch_size: int,
  against: Path | None,
  only: Sequence[str],
) -> str:
  """Times a part and writes what it took.

  Args:
    part: One of `PARTS`.
    out: JSON file.
    batch_size: Samples.
    against: Python file that defines OTHERS; see `operators.Others`.
    only: Beginnings of the names of what is timed.

  Returns:
    The rows as a Markdown table.

  Raises:
    FileNotFoundError: `against` is not there.
    ValueError: It has no OTHERS, or nothing begins like `only`.
  """
  rows = measure(PARTS[part](_others(against), batch_size, tuple(only)))
  if not rows:
    raise ValueError(f'--only {",".join(only)}: nothing begins so')
  report = {
    'device': jax.devices()[0].device_kind,
    'threads': os.cpu_count(),
    'jax': jax.__version__,
    'part': part,
    'batch_size': batch_size,
    'rows': rows,
  }
  out.parent.mkdir(parents=True, exist_ok=True)
  with replacing(out) as temporary:
    temporary.write_text(json.dumps(report, indent=2) + '\n')
  return table(rows)


def _others(path: Path | None) -> operators.Others:
  if path is None:
    return {}
  if not path.is_file():
    raise FileNotFoundError(f'--against {path}: no such file')
  defined = runpy.run_path(str(path))
  if 'OTHERS' not in defined:
    raise ValueError(f'--against {path}: defines no OTHERS')
  return defined['OTHERS']
