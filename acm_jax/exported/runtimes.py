"""Runtimes of exported trackers: onnxruntime and LiteRT, on a CPU."""

import importlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType

import numpy as np

from data_pipelines import host_tensorflow

Arrays = Mapping[str, np.ndarray]
# Runs a graph; inputs and outputs are dictionaries from names to arrays.
Run = Callable[[Arrays], Arrays]


def onnx(path: Path) -> Run:
  """Loads an ONNX graph in onnxruntime.

  Raises:
    RuntimeError: onnxruntime is not installed, or cannot run the graph.
  """
  runtime = _package('onnxruntime', 'onnx')
  options = runtime.SessionOptions()
  options.intra_op_num_threads = _threads()
  try:
    session = runtime.InferenceSession(
      path, options, providers=['CPUExecutionProvider']
    )
  except Exception as error:
    # Errors of onnxruntime have no common class but Exception.
    raise _unusable(path, 'onnxruntime', error) from error
  names = [output.name for output in session.get_outputs()]

  def run(inputs):
    return dict(zip(names, session.run(names, dict(inputs)), strict=True))

  return run


def tflite(path: Path) -> Run:
  """Loads a TFLite graph in LiteRT.

  Raises:
    RuntimeError: LiteRT is not installed, or cannot run the graph.
  """
  runtime = _package('ai_edge_litert.interpreter', 'tflite')
  try:
    with host_tensorflow.without_notices():
      interpreter = runtime.Interpreter(str(path), num_threads=_threads())
      # Otherwise done by the first call, which would print the notice.
      interpreter.allocate_tensors()
      runner = interpreter.get_signature_runner()
  except (RuntimeError, ValueError) as error:
    raise _unusable(path, 'LiteRT', error) from error

  def run(inputs):
    return runner(**inputs)

  return run


# Format of an export -> function that loads a graph.
RUNTIMES: dict[str, Callable[[Path], Run]] = {'onnx': onnx, 'tflite': tflite}


def _threads() -> int:
  """Returns the number of cores that the process may use."""
  if hasattr(os, 'sched_getaffinity'):
    return len(os.sched_getaffinity(0))
  return os.cpu_count() or 1


def _package(name: str, extra: str) -> ModuleType:
  try:
    return importlib.import_module(name)
  except ImportError as error:
    raise RuntimeError(
      f'{name.partition(".")[0]} is not installed: run pip install '
      f"'acm-jax[{extra}]'"
    ) from error


def _unusable(path: Path, runtime: str, error: Exception) -> RuntimeError:
  return RuntimeError(
    f'{path}: {runtime} cannot load the graph ({error}); install the newest '
    'release of the runtime'
  )
