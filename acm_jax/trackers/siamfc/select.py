"""Selection of the target's location and scale, as in SiamFC."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from acm_jax.tracking.contract import Hparams

# Factor by which the response is upsampled.
ENLARGED = 16
# Parameter of OpenCV's cubic interpolation.
_CUBIC = -0.75


def locate(
  responses: Float[Array, 's r r'],
  hparams: Hparams,
  scales: tuple[float, ...],
) -> tuple[Int[Array, ''], Float[Array, '2'], Float[Array, '']]:
  """Selects the scale and the location of the target.

  The responses are upsampled. The response of every scale other than 1.0 is
  multiplied by exp(-penalty_k), and the response with the highest value
  determines the scale. This response is normalised to sum 1 and blended with a
  cosine window; the location is that of the maximum of the blend.

  Args:
    responses: Response maps, one per scale.
    hparams: Strengths of penalty and window.
    scales: Factors that multiply the side of the search region.

  Returns:
    The index of the scale; the location (x, y) relative to the centre of the
    map, in cells before upsampling; and the response at the location, without
    penalty and window.

  Source: SiamFC (arXiv:1606.09549), section 2.5. The exact centre of the map
  lies between two upsampled cells. As in a released port, the second of them
  counts as the centre.
  """
  rows = jnp.asarray(enlarging(responses.shape[-1]))
  large = jnp.einsum(
    'yh,shw,xw->syx', rows, responses, rows, precision='highest'
  )
  changed = jnp.asarray(np.array(scales) != 1)[:, None, None]
  penalised = jnp.where(changed, large * jnp.exp(-hparams.penalty_k), large)
  scale = jnp.argmax(jnp.max(penalised, axis=(1, 2)))
  chosen = penalised[scale] - jnp.min(penalised[scale])
  influence = hparams.window_influence
  hann = np.hanning(len(rows))
  window = np.outer(hann, hann)
  blended = (1 - influence) * chosen / (jnp.sum(chosen) + 1e-16)
  blended += influence * (window / window.sum()).astype(np.float32)
  best = jnp.argmax(blended)
  y, x = jnp.unravel_index(best, blended.shape)
  offset = (jnp.stack([x, y]) - len(rows) // 2) / ENLARGED
  return scale, offset, large[scale].ravel()[best]


def enlarging(size: int) -> Float[np.ndarray, 'n s']:
  """Returns a matrix that upsamples `size` values by the factor `ENLARGED`.

  The interpolation is cubic, as in OpenCV. Values are located at the centres of
  their cells; the values at the edges are repeated outwards.
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
  """Evaluates Keys's cubic kernel at distances from 0 to 2."""
  near = ((_CUBIC + 2) * x - (_CUBIC + 3)) * x * x + 1
  far = _CUBIC * (((x - 5) * x + 8) * x - 4)
  return np.where(x <= 1, near, far)
