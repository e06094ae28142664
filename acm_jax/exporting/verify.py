"""Compares converted graphs with the functions that they were made of.

Converters may translate an operation wrongly without an error.
"""

from collections.abc import Mapping

import jax
import numpy as np

from acm_jax.exported.runtimes import Run
from acm_jax.exporting.graphs import Graph

# Largest difference, relative to the largest value of an array. Sums in another
# order differ by about 1e-5.
_MOST = 1e-3
# Box in the first frame, and height and width of the frame, px.
_BOX_XYWH, _FRAME_SIZE = (300.0, 200.0, 80.0, 60.0), (480, 640)


def verify(graphs: Mapping[str, Graph], runs: Mapping[str, Run]) -> None:
  """Compares the outputs for a template crop and search crops of noise.

  Args:
    graphs: The graphs `template` and `search`.
    runs: Function that runs each converted graph.

  Raises:
    RuntimeError: The tracker has an output that is not finite, or an output of
      a converted graph differs.
  """
  rng = np.random.default_rng(0)
  known = {
    'box': np.array(_BOX_XYWH, np.float32),
    'frame_size': np.array(_FRAME_SIZE, np.int32),
  }
  for name in ('template', 'search'):
    graph = graphs[name]
    for crop in graph.inputs.keys() & {'template', 'search'}:
      shape = graph.inputs[crop].shape
      known[crop] = rng.uniform(0, 255, shape).astype(np.float32)
    inputs = {key: known[key] for key in graph.inputs}
    expected = jax.jit(graph.function)(*inputs.values())
    expected = dict(zip(graph.outputs, map(np.asarray, expected), strict=True))
    found = runs[name](inputs)
    known |= expected
    for key, value in expected.items():
      what = f'output {key} of the graph {name}'
      if not np.isfinite(value).all():
        raise RuntimeError(
          f'{what}: is not finite, already before the conversion; the weights '
          'are damaged or training has diverged, so choose another checkpoint'
        )
      _compare(what, np.asarray(found[key]), value)


def _compare(what: str, found: np.ndarray, expected: np.ndarray) -> None:
  if found.shape != expected.shape or found.dtype != expected.dtype:
    raise RuntimeError(
      f'{what}: is {found.dtype} {list(found.shape)} instead of '
      f'{expected.dtype} {list(expected.shape)} after the conversion; install '
      'another release of the converter'
    )
  if expected.dtype == bool:
    found, expected = found.astype(np.int8), expected.astype(np.int8)
  # Scalars are probabilities and their differences, which may be close to 0.
  scale = np.abs(expected).max() if expected.ndim else 1
  # Rounding may move a square by a pixel.
  most = _MOST * scale + (1 if expected.dtype == np.int32 else 0)
  if not np.allclose(found, expected, rtol=0, atol=most):
    difference = np.abs(found - expected).max()
    raise RuntimeError(
      f'{what}: differs by {difference:.3g} after the conversion; install '
      'another release of the converter, and report the difference'
    )
