"""Label maps of SiamFC: locations near the target's centre are positive."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from acm_jax.tracking.struct import struct

# Largest distance of a positive location from the target's centre, px.
RADIUS = 16.0


@struct
class Targets:
  """Ground truth for search crops.

  Attributes:
    is_target: Whether a location belongs to the target.
    weight: Weight of a location in the loss.
  """

  is_target: Bool[Array, '*b h w']
  weight: Float[Array, '*b h w']


def dense_targets(
  points: Float[np.ndarray, 'h w 2'],
  center: Float[Array, '2'],
  positive: Bool[Array, ''],
) -> Targets:
  """Computes the label map of one sample.

  In a positive pair, the weights of all positive locations have the same sum as
  the weights of all negative locations. In a negative pair, all locations are
  negative.

  Args:
    points: Locations of the map's cells, px of the search crop.
    center: Centre of the target, px of the search crop.
    positive: Whether both crops show the same target.

  Returns:
    Targets without the batch axis. The weights sum to the number of locations
    in a positive pair, and to half of that number in a negative pair.

  Source: SiamFC (arXiv:1606.09549), section 2.2, and its released code.
  """
  distance = jnp.linalg.norm(jnp.asarray(points) - center[None, None], axis=-1)
  is_target = positive & (distance <= RADIUS)
  half = is_target.size / 2
  weight = jnp.where(
    is_target,
    half / jnp.maximum(jnp.sum(is_target), 1),
    half / jnp.maximum(jnp.sum(~is_target), 1),
  )
  return Targets(is_target, weight)
