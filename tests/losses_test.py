"""Losses against a teacher, beside plain NumPy ones."""

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
  """Logits of background and target, the target less likely by `bias`."""
  drawn = rng.standard_normal((*SHAPE, 2), np.float32)
  return drawn + np.array([bias, 0], np.float32)


def target_probability(logits):
  return 1 / (1 + np.exp(logits[..., 0] - logits[..., 1]))


def test_the_divergence_gives_target_and_background_half_each(rng):
  student, teacher = logits(rng, 0.0), logits(rng, 2.0)
  q, p = map(target_probability, (student, teacher))
  divergence = p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))
  on_target = (p * divergence).sum() / p.sum()
  elsewhere = ((1 - p) * divergence).sum() / (1 - p).sum()
  loss = losses.balanced_divergence(jnp.array(student), jnp.array(p))
  # Differences of float32 entropies near 1.
  np.testing.assert_allclose(loss, (on_target + elsewhere) / 2, rtol=1e-4)


def test_the_divergence_is_0_and_least_at_the_teachers_probabilities(rng):
  teacher = jnp.array(logits(rng, 3.0))
  target = jax.nn.softmax(teacher)[..., 1]
  value, slope = jax.value_and_grad(losses.balanced_divergence)(teacher, target)
  # Differences of float32 numbers up to 1.
  assert abs(value) < 1e-6
  assert jnp.abs(slope).max() < 1e-6
  aside = teacher + jnp.array([1.0, 0.0])[None, None, None]
  assert losses.balanced_divergence(aside, target) > 1e-2


def test_the_divergence_is_finite_where_there_is_no_target(rng):
  student = logits(rng, 0.0)
  none = jnp.zeros(SHAPE)
  value, slope = jax.value_and_grad(losses.balanced_divergence)(
    jnp.array(student), none
  )
  expected = -np.log(1 - target_probability(student)).mean() / 2
  np.testing.assert_allclose(value, expected, rtol=1e-5)
  assert np.isfinite(slope).all()


def test_weighted_iou_counts_boxes_by_the_teachers_probability(rng):
  student, teacher = rng.uniform(1, 30, (2, *SHAPE, 4)).astype(np.float32)
  weight = rng.uniform(0, 1, SHAPE).astype(np.float32)
  near = np.minimum(student, teacher)

  def area(loc):
    return (loc[..., 0] + loc[..., 2]) * (loc[..., 1] + loc[..., 3])

  union = area(student) + area(teacher) - area(near)
  distance = 1 - (area(near) + 1) / (union + 1)
  counted = np.where(weight >= 0.7, weight, 0)
  expected = (counted * distance).sum() / counted.sum()
  loss = losses.weighted_iou(
    *map(jnp.array, (student, teacher, weight)), threshold=0.7
  )
  np.testing.assert_allclose(loss, expected, rtol=1e-5)
