"""The rule that picks a place."""

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


def test_the_window_alone_takes_the_middle():
  found = candidates()
  chosen = select.select(found, STATE, Hparams(0.1, 1.0, 0.0), jnp.float32(2))
  assert chosen.score == found.score[2, 2]
  np.testing.assert_allclose(
    chosen.box_cxcywh[:2],
    STATE.center + found.box_cxcywh[2, 2, :2] / 2,
    rtol=1e-6,
  )


def test_a_strong_penalty_avoids_other_sizes():
  found = candidates()
  like = jnp.array([40.0, 60.0])
  found = found.replace(
    box_cxcywh=found.box_cxcywh.at[4, 4, 2:].set(like),
    score=found.score.at[4, 4].set(0.3),
  )
  chosen = select.select(found, STATE, Hparams(50.0, 0.0, 0.5), jnp.float32(2))
  assert float(chosen.score) == np.float32(0.3)


def test_a_sweep_of_hparams_is_one_vmap():
  sweep = Hparams(
    jnp.array([0.0, 0.1, 1.0]), jnp.array([0.4, 0.1, 0.0]), jnp.full(3, 0.5)
  )
  found, scale = candidates(), jnp.float32(2)

  def run(penalty_k, window_influence, size_lr):
    hparams = Hparams(penalty_k, window_influence, size_lr)
    return select.select(found, STATE, hparams, scale).box_cxcywh

  values = (sweep.penalty_k, sweep.window_influence, sweep.size_lr)
  together = jax.vmap(run)(*values)
  alone = [run(*(v[i] for v in values)) for i in range(3)]
  np.testing.assert_allclose(together, np.stack(alone), rtol=1e-6)
