"""Losses against a teacher equal plain NumPy implementations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from acm_jax import losses

SHAPE = (3, 5, 5)


@pytest.fixture
def rng():
  return np.random.default_rng(0)


def logits(rng, bias):
  """Draws logits of background and target; `bias` favours background."""
  drawn = rng.standard_normal((*SHAPE, 2), np.float32)
  return drawn + np.array([bias, 0], np.float32)


def target_probability(logits):
  return 1 / (1 + np.exp(logits[..., 0] - logits[..., 1]))


def test_target_and_background_each_make_up_half_of_the_divergence(rng):
  student, teacher = logits(rng, 0.0), logits(rng, 2.0)
  q, p = map(target_probability, (student, teacher))
  divergence = p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))
  on_target = (p * divergence).sum() / p.sum()
  elsewhere = ((1 - p) * divergence).sum() / (1 - p).sum()
  loss = losses.balanced_divergence(jnp.array(student), jnp.array(p))
  # Differences of float32 entropies near 1.
  np.testing.assert_allclose(loss, (on_target + elsewhere) / 2, rtol=1e-4)


def test_the_divergence_has_its_minimum_0_at_the_teachers_probabilities(rng):
  teacher = jnp.array(logits(rng, 3.0))
  target = jax.nn.softmax(teacher)[..., 1]
  value, slope = jax.value_and_grad(losses.balanced_divergence)(teacher, target)
  # Differences of float32 numbers up to 1.
  assert abs(value) < 1e-6
  assert jnp.abs(slope).max() < 1e-6
  shifted = teacher + jnp.array([1.0, 0.0])[None, None, None]
  assert losses.balanced_divergence(shifted, target) > 1e-2


def test_the_divergence_is_finite_without_a_target(rng):
  student = logits(rng, 0.0)
  no_target = jnp.zeros(SHAPE)
  value, slope = jax.value_and_grad(losses.balanced_divergence)(
    jnp.array(student), no_target
  )
  expected = -np.log(1 - target_probability(student)).mean() / 2
  np.testing.assert_allclose(value, expected, rtol=1e-5)
  assert np.isfinite(slope).all()


def test_weighted_iou_weights_boxes_by_the_teachers_probability(rng):
  student, teacher = rng.uniform(1, 30, (2, *SHAPE, 4)).astype(np.float32)
  weight = rng.uniform(0, 1, SHAPE).astype(np.float32)
  intersection = np.minimum(student, teacher)

  def area(loc):
    return (loc[..., 0] + loc[..., 2]) * (loc[..., 1] + loc[..., 3])

  union = area(student) + area(teacher) - area(intersection)
  distance = 1 - (area(intersection) + 1) / (union + 1)
  weight_above = np.where(weight >= 0.7, weight, 0)
  expected = (weight_above * distance).sum() / weight_above.sum()
  loss = losses.weighted_iou(
    *map(jnp.array, (student, teacher, weight)), threshold=0.7
  )
  np.testing.assert_allclose(loss, expected, rtol=1e-5)
