"""Which place at which scale is the target: SiamFC's rule."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from acm_jax.tracking.contract import Hparams

# Places of the enlarged response for one of the response itself.
ENLARGED = 16
# Of OpenCV's cubic interpolation.
_CUBIC = -0.75


def place(
  responses: Float[Array, 's r r'],
  hparams: Hparams,
  scales: tuple[float, ...],
) -> tuple[Int[Array, ''], Float[Array, '2'], Float[Array, '']]:
  """The scale and the place of the target.

  The responses are enlarged; of all scales but 1 they are multiplied by
  exp(-penalty_k), and the highest value says which scale it is. That response,
  brought to sum 1, is then blended with a cosine window, which says where.

  Args:
    responses: A map for each scale.
    hparams: Strengths of penalty and window.
    scales: Of the search crops.

  Returns:
    The index of the scale; the place (x, y) in cells from the middle; and the
    response there, neither penalised nor blended.

  Source: SiamFC (arXiv:1606.09549), section 2.5, and the figures of a released
  port, which counts from the place after the middle of the enlarged map.
  """
  rows = jnp.asarray(enlarging(responses.shape[-1]))
  large = jnp.einsum(
    'yh,shw,xw->syx', rows, responses, rows, precision='highest'
  )
  changed = jnp.asarray(np.array(scales) != 1)[:, None, None]
  penalised = jnp.where(changed, large * jnp.exp(-hparams.penalty_k), large)
  scale = jnp.argmax(jnp.max(penalised, axis=(1, 2)))
  chosen = penalised[scale] - jnp.min(penalised[scale])
  share = hparams.window_influence
  window = np.outer(*2 * [np.hanning(len(rows))])
  blended = (1 - share) * chosen / (jnp.sum(chosen) + 1e-16)
  blended += share * (window / window.sum()).astype(np.float32)
  best = jnp.argmax(blended)
  y, x = jnp.unravel_index(best, blended.shape)
  offset = (jnp.stack([x, y]) - len(rows) // 2) / ENLARGED
  return scale, offset, large[scale].ravel()[best]


def enlarging(size: int) -> Float[np.ndarray, 'n s']:
  """The matrix that enlarges an axis by cubic interpolation, as OpenCV does.

  Places lie at the middle of their cells; the first and last are repeated.
  """
  at = (np.arange(size * ENLARGED) + 0.5) / ENLARGED - 0.5
  low = np.floor(at).astype(int)
  matrix = np.zeros((len(at), size))
  for tap in range(-1, 3):
    weight = _cubic(np.abs(at - (low + tap)))
    np.add.at(
      matrix, (np.arange(len(at)), np.clip(low + tap, 0, size - 1)), weight
    )
  return matrix.astype(np.float32)


def _cubic(x):
  """Keys's kernel at distances of 0 to 2."""
  near = ((_CUBIC + 2) * x - (_CUBIC + 3)) * x * x + 1
  far = _CUBIC * (((x - 5) * x + 8) * x - 4)
  return np.where(x <= 1, near, far)
