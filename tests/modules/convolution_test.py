"""Every form of a convolution computes the convolution."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from acm_jax.modules import convolution


@pytest.mark.parametrize(
  ('form', 'cells', 'channels', 'size', 'stride', 'padding', 'dilation'),
  [
    ('dot', 9, 5, 1, 1, 0, 1),
    ('dot', 9, 5, 1, 2, 1, 1),
    ('winograd', 13, 32, 3, 1, 1, 1),
    ('winograd', 17, 32, 3, 1, 2, 2),
    ('winograd', 12, 32, 4, 1, 0, 1),
    ('winograd', 13, 32, 5, 1, 2, 1),
    ('scalar', 13, 3, 3, 2, 1, 1),
    ('direct', 13, 3, 7, 2, 0, 1),
    ('direct', 13, 16, 3, 1, 1, 1),
    ('direct', 13, 32, 3, 2, 2, 2),
    ('direct', 6, 32, 3, 1, 1, 1),
    ('direct', 15, 32, 6, 1, 0, 1),
  ],
)
def test_a_prepared_convolution_equals_the_plain_one(
  form, cells, channels, size, stride, padding, dilation
):
  rng = np.random.default_rng(0)
  shape = 2, cells, cells, channels
  x = jnp.asarray(rng.standard_normal(shape), jnp.float32)
  shape = size, size, channels, 6
  kernel = jnp.asarray(rng.standard_normal(shape), jnp.float32)
  grid = {'stride': stride, 'dilation': dilation}
  plain = jax.lax.conv_general_dilated(
    x,
    kernel,
    (stride, stride),
    [(padding, padding)] * 2,
    rhs_dilation=(dilation, dilation),
    dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
  )
  prepared = convolution.prepare(kernel, plain.shape[1], **grid)
  assert [*prepared] == [form]

  @jax.jit
  def conv(x, prepared):
    return convolution.convolve_prepared(
      x, prepared, size=size, padding=padding, **grid
    )

  # Winograd's transformations amplify rounding errors.
  tolerance = 2e-5 * float(jnp.abs(plain).max())
  np.testing.assert_allclose(conv(x, prepared), plain, rtol=0, atol=tolerance)


def test_a_larger_tile_has_to_save_products_and_memory():
  def inputs_per_tile(shape, cells, dilation=1):
    kernel = jax.ShapeDtypeStruct(shape, jnp.float32)
    prepared = jax.eval_shape(
      lambda x: convolution.prepare(x, cells, stride=1, dilation=dilation),
      kernel,
    )
    return len(prepared['winograd'])

  assert inputs_per_tile((3, 3, 64, 64), 63) == 6
  # 27 cells are 9 tiles of three outputs, or 7 tiles of four.
  assert inputs_per_tile((3, 3, 64, 64), 27) == 5
  assert inputs_per_tile((3, 3, 1024, 2048), 31) == 5
  # Each of the four phases has 16 cells, a multiple of two but not of three.
  assert inputs_per_tile((3, 3, 1024, 2048), 31, dilation=2) == 4
  assert inputs_per_tile((5, 5, 64, 64), 25) == 7


@pytest.mark.parametrize(
  ('cells', 'channels', 'size', 'stride', 'padding', 'dilation'),
  [
    (9, 5, 1, 1, 0, 1),
    (9, 5, 1, 2, 1, 1),
    (13, 32, 3, 1, 1, 1),
    (17, 32, 3, 1, 2, 2),
    (12, 32, 4, 1, 0, 1),
    (13, 32, 5, 1, 2, 1),
    (13, 32, 3, 2, 0, 1),
    (13, 3, 3, 2, 1, 1),
    (23, 3, 7, 2, 0, 1),
    (23, 3, 3, 3, 2, 2),
    (13, 16, 3, 1, 1, 1),
  ],
)
def test_a_training_step_has_the_gradients_of_the_plain_convolution(
  cells, channels, size, stride, padding, dilation
):
  rng = np.random.default_rng(0)
  shape = 2, cells, cells, channels
  x = jnp.asarray(rng.standard_normal(shape), jnp.float32)
  shape = size, size, channels, 6
  kernel = jnp.asarray(rng.standard_normal(shape), jnp.float32)
  grid = {'stride': stride, 'padding': padding, 'dilation': dilation}
  shape = jax.eval_shape(
    lambda *inputs: convolution.convolve(*inputs, **grid), x, kernel
  ).shape
  slope = jnp.asarray(rng.standard_normal(shape), jnp.float32)

  @jax.jit
  def both(x, kernel):
    results = []
    for training in (True, False):
      convolve = functools.partial(
        convolution.convolve, training=training, **grid
      )
      y, pull = jax.vjp(convolve, x, kernel)
      results.append((y, *pull(slope)))
    return results

  for ours, theirs in zip(*both(x, kernel), strict=True):
    # Winograd's transformations amplify rounding errors.
    tolerance = 4e-5 * float(jnp.abs(theirs).max())
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance)


def test_a_training_step_in_bfloat16_uses_no_transformations():
  x = jnp.ones((1, 13, 13, 32), jnp.bfloat16)
  kernel = jnp.ones((3, 3, 32, 6), jnp.bfloat16)
  convolve = functools.partial(convolution.convolve, training=True)
  lowered = jax.jit(convolve).lower(x, kernel).as_text()
  assert 'convolution' in lowered
  assert 'dot_general' not in lowered


@pytest.mark.parametrize('platform', ['tpu', 'cuda'])
def test_a_training_step_on_an_accelerator_has_plain_convolutions(platform):
  def loss(x, kernel):
    return convolution.convolve(x, kernel, training=True, padding=1).sum()

  x, kernel = jnp.ones((1, 13, 13, 32)), jnp.ones((3, 3, 32, 6))
  gradient = jax.jit(jax.grad(loss, (0, 1)))
  exported = jax.export.export(gradient, platforms=[platform])(x, kernel)
  text = exported.mlir_module()
  assert 'stablehlo.convolution' in text
  assert 'dot_general' not in text


@pytest.mark.parametrize('platform', ['cpu', 'tpu', 'cuda'])
@pytest.mark.parametrize('dtype', [jnp.float32, jnp.bfloat16])
def test_a_1x1_convolution_is_a_product_on_every_device(platform, dtype):
  def loss(x, kernel):
    return convolution.convolve(x, kernel, stride=2).sum()

  x, kernel = jnp.ones((1, 13, 13, 8), dtype), jnp.ones((1, 1, 8, 6), dtype)
  gradient = jax.jit(jax.grad(loss, (0, 1)))
  exported = jax.export.export(gradient, platforms=[platform])(x, kernel)
  text = exported.mlir_module()
  assert 'stablehlo.convolution' not in text
  products = [
    line for line in text.splitlines() if 'stablehlo.dot_general' in line
  ]
  # Of two matrices: the convolution's gradients with respect to both.
  assert len(products) == 2
  for line in products:
    assert re.search(r': \(tensor<\d+x\d+x[a-z]+\d+>, tensor<\d+x\d+x', line)
