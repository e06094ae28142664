"""Losses over label maps of fixed shapes.

Ignored locations have weight 0.
"""

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int


def masked_mean(
  values: Float[Array, '*s'], weight: Float[Array, '*s']
) -> Float[Array, '']:
  """Computes the sum of weighted values, divided by max(1, sum of weights)."""
  return jnp.sum(values * weight) / jnp.maximum(jnp.sum(weight), 1)


def balanced_nll(
  logits: Float[Array, '*s 2'],
  label: Int[Array, '*s'],
  weight: Float[Array, '*s'],
) -> Float[Array, '']:
  """Averages the mean log losses of the positive and of the negative locations.

  Both means are over the whole batch. A sample with few positive locations
  therefore weighs less than a sample with many.

  Args:
    logits: Logits of background and target, in this order.
    label: 1 for the target, 0 for background.
    weight: 1 for locations that count, 0 for ignored locations.

  Source: the SiamRPN++ and SiamBAN training code.
  """
  log_p = jax.nn.log_softmax(logits)
  nll = -jnp.take_along_axis(log_p, label[..., None], axis=-1)[..., 0]
  positive = weight * (label == 1)
  negative = weight * (label == 0)
  return (masked_mean(nll, positive) + masked_mean(nll, negative)) / 2


def weighted_logistic(
  logit: Float[Array, 'b *s'],
  label: Bool[Array, 'b *s'],
  weight: Float[Array, 'b *s'],
) -> Float[Array, '']:
  """Computes the weighted logistic loss, averaged over all locations.

  Args:
    logit: Logit of the target.
    label: Whether the location belongs to the target.
    weight: Factor on the loss. The mean also counts locations with weight 0.

  Source: SiamFC (arXiv:1606.09549), section 2.2.
  """
  return jnp.mean(weight * optax.sigmoid_binary_cross_entropy(logit, label))


def linear_iou(
  loc: Float[Array, '*s 4'],
  target: Float[Array, '*s 4'],
  weight: Float[Array, '*s'],
) -> Float[Array, '']:
  """Computes the weighted mean of 1 - IoU between predicted and true boxes.

  IoU = (intersection + 1) / (union + 1), in square pixels.

  Args:
    loc: Predicted distances from each location to the left, top, right and
      bottom sides of the predicted box, px.
    target: True distances, px.
    weight: Weight of each location; 0 for ignored locations.

  Source: SiamBAN (arXiv:2003.06761), section 3.4.
  """
  near = jnp.minimum(loc, target)
  inter = (near[..., 0] + near[..., 2]) * (near[..., 1] + near[..., 3])
  union = _ltrb_area(loc) + _ltrb_area(target) - inter
  return masked_mean(1 - (inter + 1) / (union + 1), weight)


def balanced_divergence(
  logits: Float[Array, '*s 2'], target: Float[Array, '*s']
) -> Float[Array, '']:
  """Computes the balanced divergence from a teacher's probabilities.

      D_i = p_i log(p_i / q_i) + (1 - p_i) log((1 - p_i) / (1 - q_i))
      loss = sum(p_i D_i) / (2 sum(p_i)) + sum((1 - p_i) D_i) / (2 sum(1 - p_i))

  Here p_i and q_i are the teacher's and the student's probability of the target
  at location i. The sums run over all locations of the batch. The two terms
  have equal weight, although the teacher sees the target in few locations and
  background in many. The loss is 0 for q = p. A divisor sum(p_i) or
  sum(1 - p_i) below 1 is replaced by 1.

  Args:
    logits: Student's logits of background and target, in this order.
    target: Teacher's probability of the target.
  """
  probability = jnp.stack([1 - target, target], axis=-1)
  cross_entropy = optax.softmax_cross_entropy(logits, probability)
  entropy = jnp.sum(jax.scipy.special.entr(probability), axis=-1)
  divergence = cross_entropy - entropy
  on_target = masked_mean(divergence, target)
  return (on_target + masked_mean(divergence, 1 - target)) / 2


def weighted_iou(
  loc: Float[Array, '*s 4'],
  teacher_loc: Float[Array, '*s 4'],
  weight: Float[Array, '*s'],
  threshold: float = 0.5,
) -> Float[Array, '']:
  """Computes the weighted mean of 1 - IoU of a student's and a teacher's boxes.

  IoU is computed as in `linear_iou`.

  Args:
    loc: Student's distances to the left, top, right and bottom sides, px.
    teacher_loc: Teacher's distances, px.
    weight: Teacher's probability of the target at each location.
    threshold: Probability below which a location is ignored.
  """
  counted = jnp.where(weight >= threshold, weight, 0.0)
  return linear_iou(loc, teacher_loc, counted)


def weighted_l1(
  loc: Float[Array, 'b *s 4'],
  target: Float[Array, 'b *s 4'],
  weight: Float[Array, 'b *s'],
) -> Float[Array, '']:
  """Sums weighted L1 distances over locations and averages over samples.

  Args:
    loc: Predicted offsets of the box, relative to an anchor box.
    target: True offsets.
    weight: Weight of each anchor box; 0 for ignored anchor boxes.

  Source: the SiamRPN++ training code.
  """
  distance = jnp.sum(jnp.abs(loc - target), axis=-1)
  return jnp.sum(distance * weight) / loc.shape[0]


def _ltrb_area(loc: Float[Array, '*s 4']) -> Float[Array, '*s']:
  return (loc[..., 0] + loc[..., 2]) * (loc[..., 1] + loc[..., 3])
