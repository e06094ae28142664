"""The contract of an exported tracker: all that its graphs do not contain.

An exported tracker is a folder of two graphs and of tracker.json, which holds
the contract. docs/export.md says how a program uses them.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from acm_jax.host import text_files

FILE = 'tracker.json'
# Format of an export -> suffix of the files of its graphs.
SUFFIXES = {'onnx': '.onnx', 'tflite': '.tflite', 'stablehlo': '.stablehlo'}
# Version of the contract; a program must not guess what another version means.
VERSION = 1
_ADVICE = 'export the tracker again with `acm-jax export`'
# Inputs and outputs of the graphs, besides the kernel.
_INPUTS = {
  'template': {'template', 'box'},
  'search': {'search', 'state', 'frame_size'},
}
_OUTPUTS = {
  'template': {'state', 'squares'},
  'search': {'box', 'score', 'margin', 'lost', 'next_state', 'squares'},
}
_TEMPLATE_SQUARE = (
  'p = context_amount * (w + h); side = round(sqrt((w + p) * (h + p))); '
  'column = floor(x + (w - 1) / 2 + 2 * pixel_shift - (side + 1) / 2 + 0.5); '
  'row = floor(y + (h - 1) / 2 + 2 * pixel_shift - (side + 1) / 2 + 0.5)'
)


@dataclasses.dataclass(frozen=True)
class Array:
  """Shape and type of an input or output of a graph."""

  shape: tuple[int, ...]
  dtype: str


@dataclasses.dataclass(frozen=True)
class Graph:
  """File of a graph.

  Attributes:
    file: Name of the file.
    sha256: Checksum of the file.
    inputs: Inputs of the graph; keys are names.
    outputs: Outputs of the graph; keys are names.
  """

  file: str
  sha256: str
  inputs: Mapping[str, Array]
  outputs: Mapping[str, Array]


@dataclasses.dataclass(frozen=True)
class Contract:
  """All that a program needs to know to track with the graphs of an export.

  Attributes:
    format: Format of the graphs, a key of `SUFFIXES`.
    name: Name of the model.
    template_size: Side of the template crop, px.
    search_size: Side of the search crops, px.
    search_scales: Factors that multiply the side of the search region; there is
      one search crop for each.
    context_amount: Length added to the target's width and height for context,
      as a fraction of their sum.
    pixel_shift: Offset that is added to the centres of the first box and of
      crops, px.
    smallest_side: Lower limit of the width and height of tracked boxes, px.
    graphs: The graphs `template` and `search`.
    about: What the graphs were made of; see `Model.about`.
    colors: Order of the colour channels of crops.
    layout: Order of the axes of crops.
    values: Lowest and highest value of a colour in a crop.
    template_square: Side, first column and first row of the square of the
      template crop, given the box x, y, w, h.
    resize: How a square is resized to a crop.
    border: Colour of the pixels of a square that lie outside the frame.
    version: Version of the contract.
  """

  format: str
  name: str
  template_size: int
  search_size: int
  search_scales: tuple[float, ...]
  context_amount: float
  pixel_shift: float
  smallest_side: float
  graphs: Mapping[str, Graph]
  about: Mapping[str, Any]
  colors: str = 'RGB'
  layout: str = 'NHWC'
  values: tuple[int, int] = (0, 255)
  template_square: str = _TEMPLATE_SQUARE
  resize: str = 'bilinear, pixel centers at half-integers, colors not rounded'
  border: str = 'mean color of the first frame, truncated to integers'
  version: int = VERSION


def exists(folder: Path) -> bool:
  """Returns whether a folder holds an exported tracker."""
  return (folder / FILE).is_file()


def checksum(path: Path) -> str:
  """Returns the SHA-256 of a file."""
  with path.open('rb') as file:
    return hashlib.file_digest(file, 'sha256').hexdigest()


def write(folder: Path, contract: Contract) -> None:
  """Writes a contract to an existing folder."""
  text = json.dumps(dataclasses.asdict(contract), indent=2)
  text_files.write(folder / FILE, text + '\n')


def read(folder: Path) -> Contract:
  """Reads a contract, and checks that the graphs are intact.

  Raises:
    FileNotFoundError: The folder or one of its files is missing.
    ValueError: A file is damaged, or the contract is of another version.
  """
  path = folder / FILE
  if not folder.is_dir():
    raise FileNotFoundError(
      f'{folder}: no such folder; give the folder of an exported tracker'
    )
  if not exists(folder):
    raise FileNotFoundError(
      f'{folder}: has no {FILE}, so it is not an exported tracker; write one '
      'with `acm-jax export --format onnx`, or leave out `runtime`'
    )
  try:
    contract = _contract(json.loads(text_files.read(path)))
    _check(contract)
  except (KeyError, TypeError, AttributeError, ValueError) as error:
    raise ValueError(
      f'{path}: not a contract of version {VERSION} ({error}); {_ADVICE}'
    ) from error
  for graph in contract.graphs.values():
    file = folder / graph.file
    if not file.is_file():
      raise FileNotFoundError(f'{file}: is missing; {_ADVICE}')
    if checksum(file) != graph.sha256:
      raise ValueError(f'{file}: damaged (wrong checksum); {_ADVICE}')
  return contract


def _contract(content: Mapping[str, Any]) -> Contract:
  for field in dataclasses.fields(Contract):
    value = content[field.name]
    kind = int | float if field.type is float else field.type
    if kind in (str, int, int | float) and not isinstance(value, kind):
      raise ValueError(f'{field.name} is {value!r}')

  def arrays(entries):
    return {
      name: Array(tuple(x['shape']), x['dtype']) for name, x in entries.items()
    }

  graphs = {
    name: Graph(
      x['file'], x['sha256'], arrays(x['inputs']), arrays(x['outputs'])
    )
    for name, x in content['graphs'].items()
  }
  tuples = {name: tuple(content[name]) for name in ('search_scales', 'values')}
  return Contract(**{**content, **tuples, 'graphs': graphs})


def _check(contract: Contract) -> None:
  """Checks the entries that have one value only, and the names of arrays.

  Raises:
    ValueError: An entry is not what `acm-jax export` writes.
  """
  for field in dataclasses.fields(Contract):
    value = getattr(contract, field.name)
    if field.default not in (dataclasses.MISSING, value):
      raise ValueError(f'{field.name} is {value!r}')
  if contract.format not in SUFFIXES:
    raise ValueError(f'format is {contract.format!r}')
  if contract.graphs.keys() != _INPUTS.keys():
    raise ValueError(f'the graphs are {sorted(contract.graphs)}')
  kernel = contract.graphs['search'].inputs.keys() - _INPUTS['search']
  for name, graph in contract.graphs.items():
    inputs, outputs = _INPUTS[name], _OUTPUTS[name]
    if name == 'template':
      outputs = outputs | kernel
    else:
      inputs = inputs | kernel
    for found, expected in ((graph.inputs, inputs), (graph.outputs, outputs)):
      if found.keys() != expected:
        raise ValueError(f'the graph {name} has the arrays {sorted(found)}')
    if graph.file != f'{name}{SUFFIXES[contract.format]}':
      raise ValueError(f'the file of the graph {name} is {graph.file!r}')
