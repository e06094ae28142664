"""A new kind of fusion, such as attention, is a single class and trains."""

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
from acm_jax.tracking.contract import Batch
from data_pipelines import batch


class Attention(fusion.Fusion):
  """Fusion in which every search location attends to all template cells.

  The response is as large as the search features, whereas the response of a
  correlation is smaller by the size of the template.
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


def make(fusion_name):
  return trackers.make(
    'siamban',
    fusion=fusion_name,
    backbone='alexnet',
    levels=(5,),
    width=1 / 16,
    hidden=16,
    search_size=159,
  )


def test_a_fusion_by_attention_is_one_class_and_trains(monkeypatch):
  monkeypatch.setitem(fusion.FUSIONS, 'attention', Attention)
  tracker = make('attention')
  # The response of a correlation is smaller by the template after its adapters.
  cells = tracker.network.response_size(159)
  template = tracker.network.template_cells
  assert cells == make('dw_xcorr').network.response_size(159) + template - 3
  size = tracker.template_size, tracker.search_size
  raw = jax.tree.map(jnp.asarray, batch.fake(4, *size))
  crops = Batch(
    template=raw.template.astype(jnp.float32),
    search=raw.search.astype(jnp.float32),
    template_box=raw.template_box,
    search_box=raw.search_box,
    positive=jnp.ones(4, bool),
  )
  targets = jax.jit(tracker.targets)(crops, jax.random.key(1))
  variables = jax.jit(tracker.init_variables)(jax.random.key(0))
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


class Padded(Attention):
  """Attention that wrongly declares the response size of a correlation."""

  response_size = fusion.Fusion.response_size


def test_a_fusion_whose_response_does_not_fit_the_head_is_refused(monkeypatch):
  monkeypatch.setitem(fusion.FUSIONS, 'padded', Padded)
  with pytest.raises(
    ValueError, match=r'Padded: for 8 search cells .*\(1, 8, 8, 16\).*declare'
  ):
    make('padded')
