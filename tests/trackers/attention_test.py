"""A fusion of another kind takes one class: here attention, which trains."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from acm_jax import trackers
from acm_jax.modules import fusion
from acm_jax.modules.mode import Mode
from acm_jax.training.augment import augment
from data_pipelines import batch


class Attention(fusion.Fusion):
  """Every place of the search region looks at all cells of the template.

  Its response is as large as the search features, where a correlation's is
  smaller by the template.
  """

  def setup(self):
    self.query, self.key, self.value = (
      nn.Dense(self.features) for _ in range(3)
    )

  def response_size(self, search_cells):
    return search_cells

  def encode(self, template, box_size, *, train):
    return jnp.stack([self.key(template), self.value(template)], axis=-1)

  def fuse(self, kernel, search, *, train):
    key, value = (kernel[..., i] for i in range(2))
    scores = jnp.einsum('bhwc,byxc->bhwyx', self.query(search), key)
    scores = jax.nn.softmax(scores / self.features**0.5, axis=(-2, -1))
    return search + jnp.einsum('bhwyx,byxc->bhwc', scores, value)


@pytest.mark.parametrize('name', ['siamban', 'siamrpn'])
def test_a_fusion_by_attention_is_one_class(name, monkeypatch):
  monkeypatch.setitem(fusion.FUSIONS, 'attention', Attention)
  tracker = trackers.make(
    name,
    fusion='attention',
    backbone='alexnet',
    levels=(5,),
    width=1 / 16,
    hidden=16,
    search_size=159,
  )
  # After the adapters a correlation's map is as many cells smaller.
  correlating = trackers.make(
    name, backbone='alexnet', levels=(5,), search_size=159
  )
  cells = tracker.network.response_size(159)
  template = tracker.network.template_cells
  assert cells == correlating.network.response_size(159) + template - 3
  size = tracker.template_size, tracker.search_size
  raw = jax.tree.map(jnp.asarray, batch.fake(4, *size))
  crops = augment(
    raw, jax.random.key(0), None, template_size=size[0], search_size=size[1]
  )
  crops = crops.replace(positive=jnp.ones(4, bool))
  targets = tracker.targets(crops, jax.random.key(1))
  variables = tracker.init_variables(jax.random.key(0))
  optimizer = optax.adam(1e-3)

  def loss_of(params):
    outputs, _ = tracker.apply(
      variables | {'params': params},
      crops.template,
      crops.template_box[:, 2:],
      crops.search,
      mode=Mode(training=True),
    )
    assert outputs.cls.shape[1:3] == (cells, cells)
    return tracker.loss(outputs, targets)[0]

  @functools.partial(jax.jit, donate_argnums=(0, 1))
  def step(params, state):
    loss, grads = jax.value_and_grad(loss_of)(params)
    updates, state = optimizer.update(grads, state)
    return optax.apply_updates(params, updates), state, loss

  params, losses = variables['params'], []
  state = optimizer.init(params)
  for _ in range(8):
    params, state, loss = step(params, state)
    losses.append(float(loss))
  assert np.isfinite(losses).all()
  assert losses[-1] < 0.9 * losses[0]
