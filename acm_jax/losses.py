"""Losses over label maps: fixed shapes, masks for what does not count."""

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int


def masked_mean(
  values: Float[Array, '*s'], weight: Float[Array, '*s']
) -> Float[Array, '']:
  """Weighted mean of the values; a sum of weights below 1 counts as 1."""
  return jnp.sum(values * weight) / jnp.maximum(jnp.sum(weight), 1)


def balanced_nll(
  logits: Float[Array, '*s 2'],
  label: Int[Array, '*s'],
  weight: Float[Array, '*s'],
) -> Float[Array, '']:
  """Half the mean log loss of the positives and half that of the negatives.

  The means are over the whole batch, so that a sample with few positives does
  not weigh as much as one with many.

  Args:
    logits: Of background and target.
    label: 1 target, 0 background.
    weight: 0 where the place is ignored.

  Source: the SiamRPN++ and SiamBAN training code.
  """
  log_p = jax.nn.log_softmax(logits)
  nll = -jnp.take_along_axis(log_p, label[..., None], axis=-1)[..., 0]
  positive = weight * (label == 1)
  negative = weight * (label == 0)
  return (masked_mean(nll, positive) + masked_mean(nll, negative)) / 2


def weighted_logistic(
  logit: Float[Array, 'b *s'],
  label: Int[Array, 'b *s'],
  weight: Float[Array, 'b *s'],
) -> Float[Array, '']:
  """Mean over all places of the weighted log loss of a label 0 or 1.

  Source: SiamFC (arXiv:1606.09549), section 2.2.
  """
  return jnp.mean(weight * optax.sigmoid_binary_cross_entropy(logit, label))


def linear_iou(
  loc: Float[Array, '*s 4'],
  target: Float[Array, '*s 4'],
  weight: Float[Array, '*s'],
) -> Float[Array, '']:
  """Mean of 1 - IoU of boxes given by distances to their four sides.

  IoU = (intersection + 1) / (union + 1), in square pixels.

  Args:
    loc: Distances left, top, right, bottom of a place to the box's sides.
    target: The same, wanted.
    weight: How much the box counts; 0 for not at all.

  Source: SiamBAN (arXiv:2003.06761), section 3.4.
  """
  near = jnp.minimum(loc, target)
  inter = (near[..., 0] + near[..., 2]) * (near[..., 1] + near[..., 3])
  union = _ltrb_area(loc) + _ltrb_area(target) - inter
  return masked_mean(1 - (inter + 1) / (union + 1), weight)


def balanced_divergence(
  logits: Float[Array, '*s 2'], target: Float[Array, '*s']
) -> Float[Array, '']:
  """Divergence from a teacher's probabilities, half of it for the target.

      D_i = p_i log(p_i / q_i) + (1 - p_i) log((1 - p_i) / (1 - q_i))
      loss = sum(p_i D_i) / (2 sum(p_i)) + sum((1 - p_i) D_i) / (2 sum(1 - p_i))

  with p and q the teacher's and the student's probability of the target. Every
  place counts; the weights balance the few places that the teacher calls
  target with the many that it calls background, over the whole batch. The loss
  is 0 where q = p. A sum below 1 counts as 1.

  Args:
    logits: Student's, of background and target.
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
  """Mean of 1 - IoU with a teacher's boxes, as in `linear_iou`.

  Args:
    loc: Student's distances left, top, right, bottom of a place to its box.
    teacher_loc: Teacher's.
    weight: Teacher's probability of the target at the place.
    threshold: Probability from which a place counts, with its weight.
  """
  counted = jnp.where(weight >= threshold, weight, 0.0)
  return linear_iou(loc, teacher_loc, counted)


def weighted_l1(
  loc: Float[Array, 'b *s 4'],
  target: Float[Array, 'b *s 4'],
  weight: Float[Array, 'b *s'],
) -> Float[Array, '']:
  """Sum over places of the weighted distance, averaged over samples.

  Source: the SiamRPN++ training code.
  """
  distance = jnp.sum(jnp.abs(loc - target), axis=-1)
  return jnp.sum(distance * weight) / loc.shape[0]


def _ltrb_area(loc: Float[Array, '*s 4']) -> Float[Array, '*s']:
  return (loc[..., 0] + loc[..., 2]) * (loc[..., 1] + loc[..., 3])
