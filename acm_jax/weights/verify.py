"""Comparison of a network's outputs with those of the official code."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from acm_jax.tracking.contract import Tracker, Variables
from acm_jax.weights import files

# Largest accepted error, relative to the largest expected value.
TOLERANCE = 1e-3
# Possible outputs in the file; `response` is the single output of SiamFC.
_OUTPUTS = ('cls', 'loc', 'response')
# Shapes of the inputs; None allows any size.
_INPUTS = {
  'template': (None, 3, None, None),
  'search': (None, 3, None, None),
  'bbox': (None, 4),
}


def read(path: Path) -> dict[str, np.ndarray]:
  """Reads inputs of a network and the expected outputs.

  Args:
    path: .npz file. Its inputs are `template` and `search`, float32 [n, 3, h,
      w], and for ACM `bbox` [n, 4] (cx, cy, w, h, px of the template crop). Its
      outputs are `cls`, `loc` or both, or only `response`. Each output has the
      shape [n, channels, rows, columns].

  Raises:
    FileNotFoundError: The file does not exist.
    ValueError: The file cannot be read or lacks an array, an array has the
      wrong shape, no numbers or values that are not finite, or two arrays
      differ in their number of samples.
  """
  if not path.is_file():
    raise FileNotFoundError(
      f'{path}: no such file; give an .npz file of inputs and expected outputs'
    )
  reference = files.read_npz(path)
  missing = [name for name in ('template', 'search') if name not in reference]
  if not missing and not set(reference) & set(_OUTPUTS):
    missing = [' or '.join(_OUTPUTS)]
  if missing:
    raise ValueError(
      f'{path}: missing arrays: {" and ".join(missing)}; add them to the file'
    )
  known = [name for name in (*_INPUTS, *_OUTPUTS) if name in reference]
  for name in known:
    array, shape = reference[name], _INPUTS.get(name, (None,) * 4)
    fits = array.ndim == len(shape) and all(
      wanted in (None, size)
      for wanted, size in zip(shape, array.shape, strict=True)
    )
    if not fits or not array.size:
      wanted = ' '.join('?' if size is None else str(size) for size in shape)
      raise ValueError(
        f'{path}: {name} has the shape {list(array.shape)} instead of '
        f'[{wanted}]; write the file again'
      )
    if array.dtype.kind not in 'fiu':
      raise ValueError(
        f'{path}: {name} has values of the type {array.dtype} instead of real '
        'numbers; write the file again'
      )
    if not np.isfinite(array).all():
      raise ValueError(
        f'{path}: {name} has values that are not finite; write the file again'
      )
  samples = {name: len(reference[name]) for name in known}
  if len(set(samples.values())) > 1:
    counts = ', '.join(f'{name} {count}' for name, count in samples.items())
    raise ValueError(
      f'{path}: the arrays have different numbers of samples ({counts}); write '
      'the file again with as many of each'
    )
  return reference


def errors(
  tracker: Tracker,
  variables: Variables,
  reference: dict[str, np.ndarray],
  precision: str = 'highest',
) -> dict[str, tuple[float, float]]:
  """Computes how far a network's outputs are from the expected outputs.

  The inputs go to the network directly, without `preprocess`.

  Args:
    tracker: Tracker that the network belongs to.
    variables: Weights and statistics of the network.
    reference: Inputs and expected outputs, from `read`.
    precision: Precision of matrix products, a value of
      `jax.default_matmul_precision`.

  Returns:
    Dictionary from names of outputs to two errors: the largest absolute error,
    and this error divided by the largest absolute expected value. If all
    expected values are 0, the second error is 0 for equal values and otherwise
    infinite.

  Raises:
    ValueError: The network does not have an expected output, or an output has
      another shape than the expected one.
  """
  no_box = np.ones((len(reference['template']), 4))
  with jax.default_matmul_precision(precision):
    outputs = jax.jit(tracker.network.apply)(
      variables,
      _nhwc(reference['template']),
      jnp.asarray(reference.get('bbox', no_box)[:, 2:], jnp.float32),
      _nhwc(reference['search']),
    )
  if isinstance(outputs, jax.Array):
    found = {'response': outputs}
  else:
    found = {'cls': outputs.cls, 'loc': outputs.loc}
  result = {}
  for name in filter(reference.__contains__, _OUTPUTS):
    if name not in found:
      raise ValueError(
        f'the reference has an output {name}, but the network returns '
        f'{" and ".join(found)}; choose the config that belongs to the '
        'reference'
      )
    expected = reference[name]
    output = _official_layout(np.asarray(found[name]))
    if output.shape != expected.shape:
      raise ValueError(
        f'the reference output {name} has the shape {expected.shape}, but the '
        f'network returns {output.shape}; choose the config that belongs to '
        'the reference'
      )
    absolute = float(np.abs(output - expected).max())
    result[name] = (absolute, _ratio(absolute, float(np.abs(expected).max())))
  return result


def describe(errors: dict[str, tuple[float, float]]) -> str:
  """Formats errors as text, one line per output."""
  return '\n'.join(
    f'{name}: largest error {absolute:.3g}, {relative:.3g} of the largest '
    'expected value'
    for name, (absolute, relative) in errors.items()
  )


def check(errors: dict[str, tuple[float, float]]) -> None:
  """Checks that every output is close enough to the expected one.

  Raises:
    RuntimeError: The relative error of an output exceeds `TOLERANCE`.
  """
  # `not <=` instead of `>`, because an error can be NaN.
  wrong = [
    name for name, (_, relative) in errors.items() if not relative <= TOLERANCE
  ]
  if wrong:
    raise RuntimeError(
      f'an output differs from the reference by more than {TOLERANCE} of the '
      f'largest expected value: {", ".join(wrong)}; check that the config and '
      'the reference belong to the weights'
    )


def _ratio(error: float, scale: float) -> float:
  """Divides an error by a scale; for scale 0, returns 0 or infinity."""
  if scale:
    return error / scale
  return 0.0 if error == 0 else np.inf


def _official_layout(output: np.ndarray) -> np.ndarray:
  """Converts an output to the official shape [n, channels, rows, columns].

  The shape of `output` is [n, rows, columns] (one channel), [n, rows, columns,
  values], or [n, rows, columns, anchors, values]. In the last case, the index
  of a channel is value * anchors + anchor.
  """
  n, rows, cols = output.shape[:3]
  channels = range(output.ndim - 1, 2, -1)
  return output.transpose(0, *channels, 1, 2).reshape(n, -1, rows, cols)


def _nhwc(image: np.ndarray) -> Float[Array, 'n h w c']:
  return jnp.asarray(np.moveaxis(image, 1, -1), jnp.float32)
