"""Folder of an exported tracker: two graphs and their contract."""

import dataclasses
import json
from pathlib import Path

from acm_jax.exported import contract as contracts
from acm_jax.exported.contract import Contract
from acm_jax.exporting import graphs, verify
from acm_jax.exporting.converters import CONVERTERS
from acm_jax.exporting.runtimes import RUNTIMES
from acm_jax.tracking.model import Model


def write(folder: Path, model: Model, kind: str) -> None:
  """Exports a model, and checks what the converted graphs compute.

  Args:
    folder: Existing folder to write to.
    model: Model to export.
    kind: Format of the graphs, a key of `CONVERTERS`.

  Raises:
    ValueError: The tracker searches a larger region in some frames.
    RuntimeError: A package that converts to the format or runs it is not
      installed, an output of the tracker is not finite, or an output of a
      converted graph is wrong.
  """
  tracker = model.tracker
  contract = Contract(
    format=kind,
    name=model.name,
    template_size=tracker.template_size,
    search_size=tracker.search_size,
    search_scales=tracker.search_scales,
    context_amount=tracker.context_amount,
    pixel_shift=tracker.pixel_shift,
    smallest_side=tracker.smallest_side,
    graphs={},
    about=model.about(),
  )
  metadata = json.dumps(dataclasses.asdict(contract))
  made, files, runs = graphs.make(model), {}, {}
  for name, graph in made.items():
    path = folder / f'{name}{contracts.SUFFIXES[kind]}'
    path.write_bytes(CONVERTERS[kind](graph, metadata))
    files[name] = contracts.Graph(
      path.name,
      contracts.checksum(path),
      _arrays(graph.inputs),
      _arrays(graph.outputs),
    )
    runs[name] = RUNTIMES[kind](path)
  verify.verify(made, runs)
  contracts.write(folder, dataclasses.replace(contract, graphs=files))


def _arrays(shapes: graphs.Shapes) -> dict[str, contracts.Array]:
  return {
    name: contracts.Array(x.shape, x.dtype.name) for name, x in shapes.items()
  }
