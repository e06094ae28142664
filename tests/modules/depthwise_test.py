"""The depthwise convolution equals its definition, on every backend."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from acm_jax.modules import depthwise
from acm_jax.modules.depthwise import depthwise_conv
from tests import oracles

every_grid = pytest.mark.parametrize(
  'grid',
  [
    {'stride': 1, 'padding': 1, 'dilation': 1},
    {'stride': 2, 'padding': 0, 'dilation': 1},
    {'stride': 1, 'padding': 2, 'dilation': 2},
    {'stride': 2, 'padding': 4, 'dilation': 4},
  ],
  ids=str,
)


every_size = pytest.mark.parametrize('cells', [2, 3, 5])


def arrays(size, cells=3):
  rng = np.random.default_rng(0)
  x = rng.standard_normal((2, size, size + 2, 3)).astype(np.float32)
  kernel = rng.standard_normal((cells, cells, 1, 3)).astype(np.float32)
  return jnp.asarray(x), jnp.asarray(kernel)


@every_grid
@every_size
@pytest.mark.parametrize('size', [17, 18])
def test_depthwise_convolution_equals_its_definition(grid, cells, size):
  x, kernel = arrays(size, cells)
  ours = jax.jit(lambda x, k: depthwise_conv(x, k, **grid))(x, kernel)
  expected = oracles.depthwise_conv(*map(np.asarray, (x, kernel)), **grid)
  # float32 sums of up to 25 products differ by rounding.
  np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-5)


@every_grid
@every_size
def test_gradient_equals_that_of_the_grouped_convolution(grid, cells):
  x, kernel = arrays(18, cells)

  def grouped(x, kernel):
    stride, padding, dilation = grid.values()
    return jax.lax.conv_general_dilated(
      x,
      kernel,
      (stride, stride),
      [(padding, padding)] * 2,
      rhs_dilation=(dilation, dilation),
      dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
      feature_group_count=x.shape[-1],
    )

  expected, pull = jax.vjp(grouped, x, kernel)
  slope = np.random.default_rng(1).standard_normal(expected.shape)
  slope = jnp.asarray(slope, jnp.float32)
  _, ours = jax.vjp(lambda x, k: depthwise_conv(x, k, **grid), x, kernel)
  for mine, other in zip(ours(slope), pull(slope), strict=True):
    # float32 sums of up to 600 products differ by rounding.
    np.testing.assert_allclose(mine, other, rtol=1e-5, atol=1e-4)


@every_grid
def test_all_forms_of_the_kernel_gradient_are_equal(grid):
  # Outside of tests, a device runs only one of the forms.
  x, kernel = arrays(12)
  slope = depthwise_conv(x, kernel, **grid)
  taps = depthwise._Taps(3, **grid)
  default, *others = (
    jax.jit(functools.partial(form, taps=taps))(x, slope)
    for form in (
      depthwise._by_kernel,
      depthwise._by_kernel_on_cpu,
      depthwise._by_kernel_on_cuda,
    )
  )
  for other in others:
    # Only the order of float32 sums differs.
    np.testing.assert_allclose(other, default, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize('platform', ['cuda', 'tpu'])
def test_an_accelerator_runs_no_loop_over_rows(platform):
  x, kernel = arrays(12)
  gradient = jax.jit(jax.grad(lambda x, k: depthwise_conv(x, k).sum(), (0, 1)))
  exported = jax.export.export(gradient, platforms=[platform])(x, kernel)
  assert 'while' not in exported.mlir_module()
  for_cpu = jax.export.export(gradient, platforms=['cpu'])(x, kernel)
  assert 'while' in for_cpu.mlir_module()
