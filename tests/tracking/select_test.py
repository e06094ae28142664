"""Tests of the selection of a candidate."""

import jax
import jax.numpy as jnp
import numpy as np

from acm_jax.tracking import select
from acm_jax.tracking.contract import Candidates, Hparams, TrackState

STATE = TrackState(
  center=jnp.array([50.0, 60.0]),
  size=jnp.array([20.0, 30.0]),
  fill=jnp.zeros(3),
  kernel=None,
)


def candidates(seed=0, cells=5):
  rng = np.random.default_rng(seed)
  center = rng.uniform(-40, 40, (cells, cells, 2))
  size = rng.uniform(10, 60, (cells, cells, 2))
  box = np.concatenate([center, size], axis=-1)
  return Candidates(
    box_cxcywh=jnp.asarray(box, jnp.float32),
    score=jnp.asarray(rng.uniform(0, 1, (cells, cells)), jnp.float32),
  )


def test_an_unchanged_box_is_not_penalised():
  same = Candidates(
    box_cxcywh=jnp.tile(jnp.array([0.0, 0.0, 40.0, 60.0]), (5, 5, 1)),
    score=jnp.zeros((5, 5)).at[1, 3].set(0.8),
  )
  chosen = select.select(same, STATE, Hparams(5.0, 0.0, 0.5), jnp.float32(2))
  assert float(chosen.score) == np.float32(0.8)
  np.testing.assert_allclose(chosen.box_cxcywh, [50, 60, 20, 30], rtol=1e-6)


def test_a_window_influence_of_1_selects_the_middle():
  inputs = candidates()
  chosen = select.select(inputs, STATE, Hparams(0.1, 1.0, 0.0), jnp.float32(2))
  assert chosen.score == inputs.score[2, 2]
  np.testing.assert_allclose(
    chosen.box_cxcywh[:2],
    STATE.center + inputs.box_cxcywh[2, 2, :2] / 2,
    rtol=1e-6,
  )


def test_a_candidate_whose_box_overflows_is_not_selected():
  inputs = candidates()
  best = np.unravel_index(inputs.score.argmax(), inputs.score.shape)
  for value in (np.nan, np.inf):
    broken = inputs.replace(
      box_cxcywh=inputs.box_cxcywh.at[*best, 2].set(value)
    )
    hparams = Hparams(0.1, 0.0, 0.5)
    chosen = select.select(broken, STATE, hparams, jnp.float32(2))
    assert np.isfinite(chosen.box_cxcywh).all()
    assert chosen.score < inputs.score.max()


def test_a_strong_penalty_avoids_other_sizes():
  inputs = candidates()
  same_size = jnp.array([40.0, 60.0])
  inputs = inputs.replace(
    box_cxcywh=inputs.box_cxcywh.at[4, 4, 2:].set(same_size),
    score=inputs.score.at[4, 4].set(0.3),
  )
  chosen = select.select(inputs, STATE, Hparams(50.0, 0.0, 0.5), jnp.float32(2))
  assert float(chosen.score) == np.float32(0.3)


def test_hyper_parameters_can_be_batched_by_vmap():
  batch = Hparams(
    penalty_k=jnp.array([0.0, 0.1, 1.0]),
    window_influence=jnp.array([0.4, 0.1, 0.0]),
    size_lr=jnp.full(3, 0.5),
    lost_score=jnp.zeros(3),
    found_score=jnp.zeros(3),
  )
  inputs, scale = candidates(), jnp.float32(2)

  def run(hparams):
    return select.select(inputs, STATE, hparams, scale).box_cxcywh

  together = jax.vmap(run)(batch)
  alone = [run(jax.tree.map(lambda x, i=i: x[i], batch)) for i in range(3)]
  np.testing.assert_allclose(together, np.stack(alone), rtol=1e-6)
