"""The parts that can be timed, by name, from devices to a file."""

import dataclasses
import functools
import itertools
import json
import os
import runpy
from collections.abc import Callable, Iterator
from pathlib import Path

import jax

from acm_jax import trackers
from acm_jax.host.staging import replacing
from acm_jax.modules import fusion
from acm_jax.timing import inputs, operators, steps
from acm_jax.timing.measure import Work, measure, table
from acm_jax.tracking.contract import Tracker


@dataclasses.dataclass(frozen=True)
class Request:
  """What is timed.

  Attributes:
    part: One of `PARTS`.
    batch_size: Samples.
    only: Beginnings of the names of what is timed.
    against: Python file that defines OTHERS, by operator and name.
    clips: Folder of a clip set, for the part `input`.
  """

  part: str
  batch_size: int
  only: tuple[str, ...] = ('',)
  against: Path | None = None
  clips: Path | None = None

  @functools.cached_property
  def others(self) -> operators.Others:
    """The further forms.

    Raises:
      FileNotFoundError: There is no such file.
      ValueError: It defines none.
    """
    if self.against is None:
      return {}
    if not self.against.is_file():
      raise FileNotFoundError(f'--against {self.against}: no such file')
    defined = runpy.run_path(str(self.against))
    if 'OTHERS' not in defined:
      raise ValueError(f'--against {self.against}: defines no OTHERS')
    return defined['OTHERS']


def _fusion(request: Request) -> Iterator[Work]:
  asked = request.others, request.batch_size, request.only
  yield from operators.fusions(*asked)
  yield from operators.depthwise(*asked)


def _step(request: Request) -> Iterator[Work]:
  for tracker, fused in itertools.product(trackers.names(), fusion.names()):
    name = f'{tracker} {fused}'
    make = functools.partial(_tracker, tracker, fused)
    if name.startswith(request.only) and _fits(make):
      others = request.others.get(f'{name} train', {})
      yield from steps.steps(name, make, request.batch_size, others)


def _input(request: Request) -> Iterator[Work]:
  if request.clips is None:
    raise ValueError('--clips is missing: name a folder that prepare wrote')
  others = request.others.get('input', {})
  yield from inputs.inputs(request.clips, others, request.batch_size)


def _fits(make: Callable[[str], Tracker]) -> bool:
  """Whether a tracker has that fusion."""
  try:
    make('float32')
  except ValueError:
    return False
  return True


def _tracker(name: str, fused: str, precision: str) -> Tracker:
  return trackers.make(name, fusion=fused, precision=precision)


PARTS = {'fusion': _fusion, 'step': _step, 'input': _input}


def run(request: Request, out: Path) -> str:
  """Times a part and writes what it took.

  Args:
    request: What to time.
    out: JSON file.

  Returns:
    The rows as a Markdown table.

  Raises:
    FileNotFoundError: A file that is named is not there.
    ValueError: What is named is not of its kind, or nothing is.
  """
  rows = measure(PARTS[request.part](request))
  if not rows:
    raise ValueError(f'--only {",".join(request.only)}: nothing begins so')
  report = {
    'device': jax.devices()[0].device_kind,
    'threads': os.cpu_count(),
    'jax': jax.__version__,
    'part': request.part,
    'batch_size': request.batch_size,
    'rows': rows,
  }
  out.parent.mkdir(parents=True, exist_ok=True)
  with replacing(out) as temporary:
    temporary.write_text(json.dumps(report, indent=2) + '\n')
  return table(rows)
