"""Parts of the library to time, and the JSON report of the timings."""

import dataclasses
import functools
import json
import os
import runpy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax

from acm_jax.host import config_files, text_files
from acm_jax.host.names import unknown
from acm_jax.host.staging import replacing
from acm_jax.timing import inputs, loops, operators, steps
from acm_jax.timing.measure import Work, measure, table

# Configs of the networks whose steps are timed, with their arguments.
NETWORKS = (
  'siamban_acm',
  'siamban',
  'siamrpn',
  'siamrpn:backbone=mobilenet_v2',
  'siamrpn:backbone=alexnet_legacy',
  'siamrpn_acm',
  'siamfc',
  'siamfc_acm',
  'nanotrack',
  'nanotrack_acm',
)
STEPS = ('train', 'track')
# Name of the input pipeline, as a key of OTHERS and for `only`.
INPUT = 'input'


@dataclasses.dataclass(frozen=True)
class Request:
  """Request to time a part of the library.

  Attributes:
    part: Name of the part, a key of `PARTS`.
    batch_size: Number of samples per batch.
    only: Prefixes of the names of the operators or networks to time. The input
      pipeline has the name 'input'.
    against: Python files, each with a variable OTHERS that holds additional
      implementations to time; see `operators.Others`. Besides operators, its
      keys can be '<network> train' and '<network> track', with one of
      `NETWORKS`, for steps (see `steps.Others`), and 'input', for input
      pipelines (see `inputs`).
    clips: Folder of a clip set, written by `acm-jax prepare`; needed for the
      parts `input` and `train`.
  """

  part: str
  batch_size: int
  only: tuple[str, ...] = ('',)
  against: tuple[Path, ...] = ()
  clips: Path | None = None

  @functools.cached_property
  def others(self) -> operators.Others:
    """Additional implementations from the files `against`.

    Raises:
      FileNotFoundError: A file does not exist.
      ValueError: A file defines no OTHERS, a key of OTHERS is unknown, or two
        files define the same form.
    """
    others = {}
    for file in self.against:
      for name, forms in _others(file).items():
        known = others.setdefault(name, {})
        if repeated := known.keys() & forms.keys():
          raise ValueError(
            f'`against`={file}: another file defines {min(repeated)} of '
            f'{name}, too; give each file once, and each form its own name'
          )
        known |= forms
    return others


def _others(file: Path) -> operators.Others:
  """Returns the variable OTHERS of a Python file."""
  if not file.is_file():
    raise FileNotFoundError(
      f'`against`={file}: no such file; choose a Python file that defines '
      'OTHERS, such as benchmarks/forms.py'
    )
  definitions = runpy.run_path(str(file))
  if 'OTHERS' not in definitions:
    raise ValueError(
      f'`against`={file}: the file defines no OTHERS; see benchmarks/forms.py '
      'for an example'
    )
  others = definitions['OTHERS']
  known = [f'{name} {step}' for name in NETWORKS for step in STEPS]
  if wrong := unknown(list(others), (*known, *operators.names(), INPUT)):
    raise ValueError(
      f'`against`={file}: no operator or step is called {wrong}; correct the '
      'key of OTHERS'
    )
  return others


def _fusion(request: Request) -> Iterator[Work]:
  for works in (
    operators.fusions,
    operators.depthwise,
    operators.convolutions,
  ):
    yield from works(request.others, request.batch_size, request.only)


def _step(request: Request) -> Iterator[Work]:
  for name, section, others in _networks(request):
    yield steps.train(name, section, request.batch_size, others)
    yield steps.track(name, section, others)


def _track(request: Request) -> Iterator[Work]:
  for name, section, others in _networks(request):
    yield steps.track(name, section, others)


def _networks(
  request: Request,
) -> Iterator[tuple[str, Mapping[str, Any], steps.Others]]:
  """Yields name, section `tracker` and other steps of each network."""
  for name in NETWORKS:
    if name.startswith(request.only):
      section = config_files.load(name)['tracker']
      others = {
        step: request.others.get(f'{name} {step}', {}) for step in STEPS
      }
      yield name, section, others


def _input(request: Request) -> Iterator[Work]:
  if not INPUT.startswith(request.only):
    return
  others = request.others.get(INPUT, {})
  yield from inputs.inputs(_clips(request), others, request.batch_size)


def _train(request: Request) -> Iterator[Work]:
  for name in NETWORKS:
    if name.startswith(request.only):
      yield from loops.loops(
        name,
        config_files.load(name),
        _clips(request),
        request.batch_size,
        request.others.get(f'{name} train'),
      )


def _clips(request: Request) -> Path:
  if request.clips is None:
    raise ValueError(
      '`clips` is missing; give the folder of a clip set from acm-jax prepare'
    )
  return request.clips


PARTS = {
  'fusion': _fusion,
  'step': _step,
  'track': _track,
  'input': _input,
  'train': _train,
}


def run(request: Request, out: Path) -> str:
  """Times a part and writes the report.

  Args:
    request: Part to time, and its settings.
    out: JSON file to write.

  Returns:
    The rows of the report as a Markdown table.

  Raises:
    FileNotFoundError: A file of the request does not exist.
    ValueError: A file of `against` is invalid, `clips` is missing, or no name
      of an operator or network begins with one of the prefixes `only`.
  """
  rows = measure(PARTS[request.part](request))
  if not rows:
    raise ValueError(
      f'`only`={",".join(request.only)}: no operator or network has a name '
      'with such a prefix; leave `only` out to see all names'
    )
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
    text_files.write(temporary, json.dumps(report, indent=2) + '\n')
  return table(rows)
