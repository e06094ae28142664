"""How close a network comes to figures of the official code."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from acm_jax.tracking.contract import Tracker, Variables

# Above this share of the largest expected value an output is another one.
TOLERANCE = 1e-3
# Of the figures; SiamFC's response is its classification.
_OUTPUTS = {'cls': 'cls', 'loc': 'loc', 'response': 'cls'}
_INPUTS = {
  'template': (None, 3, None, None),
  'search': (None, 3, None, None),
  'bbox': (None, 4),
}


def read(path: Path) -> dict[str, np.ndarray]:
  """Inputs of a network and the outputs that are expected of them.

  Args:
    path: An .npz with `template` and `search`, float32 [n, 3, h, w] as the
      PyTorch network takes them, `cls` or `loc` or both, or `response`, all
      [n, o, r, r], and for ACM `bbox` [n, 4] (cx, cy, w, h, px of the
      template crop).

  Raises:
    FileNotFoundError: There is no such file.
    ValueError: It cannot be read, lacks an array, or has one of another shape
      or with a value that is not finite.
  """
  if not path.is_file():
    raise FileNotFoundError(f'--verify {path}: no such file')
  try:
    with np.load(path) as arrays:
      figures = dict(arrays)
  except Exception as error:
    raise ValueError(f'--verify {path}: not an .npz ({error})') from error
  missing = [name for name in ('template', 'search') if name not in figures]
  if not missing and not set(figures) & _OUTPUTS.keys():
    missing = [' or '.join(_OUTPUTS)]
  if missing:
    raise ValueError(f'--verify {path}: no {", no ".join(missing)} in it')
  for name in {*_INPUTS, *_OUTPUTS} & set(figures):
    array, shape = figures[name], _INPUTS.get(name, (None,) * 4)
    fits = array.ndim == len(shape) and all(
      wanted in (None, size)
      for wanted, size in zip(shape, array.shape, strict=True)
    )
    if not fits:
      wanted = ' '.join('?' if size is None else str(size) for size in shape)
      raise ValueError(
        f'--verify {path}: {name} is {list(array.shape)}, not [{wanted}]'
      )
    if not np.isfinite(array).all():
      raise ValueError(
        f'--verify {path}: {name} has values that are not finite'
      )
  return figures


def errors(
  tracker: Tracker,
  variables: Variables,
  figures: dict[str, np.ndarray],
  precision: str = 'highest',
) -> dict[str, tuple[float, float]]:
  """Errors of the network's outputs, `preprocess` passed by.

  Args:
    tracker: Whose network.
    variables: Its weights.
    figures: What `read` gives.
    precision: Of matrix products, as `jax.default_matmul_precision` takes it.

  Returns:
    By output: the largest absolute error, and the same over the largest
    expected value.

  Raises:
    ValueError: An output has another shape.
  """
  no_box = np.ones((len(figures['template']), 4))
  with jax.default_matmul_precision(precision):
    outputs = jax.jit(tracker.network.apply)(
      variables,
      _nhwc(figures['template']),
      jnp.asarray(figures.get('bbox', no_box)[:, 2:], jnp.float32),
      _nhwc(figures['search']),
    )
  result = {}
  for name in filter(figures.__contains__, _OUTPUTS):
    theirs = figures[name]
    ours = _official(np.asarray(getattr(outputs, _OUTPUTS[name])))
    if ours.shape != theirs.shape:
      raise ValueError(f'--verify: {name} is {theirs.shape}, ours {ours.shape}')
    error = float(np.abs(ours - theirs).max())
    result[name] = (error, error / float(np.abs(theirs).max()))
  return result


def described(errors: dict[str, tuple[float, float]]) -> str:
  """A line for each output."""
  return '\n'.join(
    f'{name}: largest error {absolute:.3g}, {relative:.3g} of the output'
    for name, (absolute, relative) in errors.items()
  )


def check(errors: dict[str, tuple[float, float]]) -> None:
  """Makes sure that every output is the expected one.

  Raises:
    RuntimeError: One is off by more than `TOLERANCE`.
  """
  # So that an output that is not finite is none of the expected ones.
  if not all(relative <= TOLERANCE for _, relative in errors.values()):
    raise RuntimeError(f'--verify: an output is off by more than {TOLERANCE}')


def _official(output: np.ndarray) -> np.ndarray:
  """[n, r, r, ..., v] as [n, v * ..., r, r], the last axis varying slowest."""
  n, rows, cols = output.shape[:3]
  channels = range(output.ndim - 1, 2, -1)
  return output.transpose(0, *channels, 1, 2).reshape(n, -1, rows, cols)


def _nhwc(image: np.ndarray) -> Float[Array, 'n h w c']:
  return jnp.asarray(np.moveaxis(image, 1, -1), jnp.float32)
