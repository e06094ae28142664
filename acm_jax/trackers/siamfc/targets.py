"""Label maps of SiamFC: the places near the target, and all the others."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from acm_jax.tracking.contract import Targets

# A place is the target's if it is no further from its centre, px.
RADIUS = 16.0


def dense_targets(
  points: Float[np.ndarray, 'h w 2'],
  center: Float[Array, '2'],
  positive: Bool[Array, ''],
) -> Targets:
  """The label map of one sample; near and far places weigh the same together.

  Of a negative pair every place is background.

  Args:
    points: Places of the map's cells, px of the search crop.
    center: Centre of the target, px of the search crop.
    positive: Whether the pair shows the same target.

  Returns:
    Targets without the batch axis. The weights of a positive pair sum to the
    number of places.

  Source: SiamFC (arXiv:1606.09549), section 2.2, and its released code.
  """
  distance = jnp.linalg.norm(jnp.asarray(points) - center[None, None], axis=-1)
  cls = positive & (distance <= RADIUS)
  half = cls.size / 2
  weight = jnp.where(
    cls,
    half / jnp.maximum(jnp.sum(cls), 1),
    half / jnp.maximum(jnp.sum(~cls), 1),
  )
  return Targets(
    cls=cls.astype(jnp.int32),
    loc=jnp.zeros((*cls.shape, 0)),
    cls_weight=weight,
    loc_weight=jnp.zeros(cls.shape),
  )
