"""Fusions and their gradients equal slow reference implementations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from acm_jax.modules import convolution, fusion
from tests import oracles

# Name -> (batch, template cells, search cells, channels).
SHAPES = {
  'siamban': (2, 5, 29, 16),
  'siamfc': (3, 6, 22, 8),
  'one cell': (2, 1, 4, 3),
  'one location': (1, 4, 4, 5),
}
shapes = pytest.mark.parametrize('shape', SHAPES.values(), ids=SHAPES)


def normal(rng, shape):
  return jnp.asarray(rng.standard_normal(shape), jnp.float32)


def features(shape):
  batch, template, search, channels = shape
  rng = np.random.default_rng(7)
  return (
    normal(rng, (batch, template, template, channels)),
    normal(rng, (batch, search, search, channels)),
  )


def close(ours, expected):
  # float32 sums of up to 800 products differ from float64 sums by rounding.
  scale = np.abs(expected).max()
  np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-5 * scale)


@shapes
def test_acm_equals_convolution_over_concatenation(shape):
  template, search = features(shape)
  cells, channels = shape[1], shape[3]
  rng = np.random.default_rng(1)
  theta = 0.05 * normal(rng, (cells, cells, 2 * channels, 6))
  theta_z, theta_x = theta[:, :, :channels], theta[:, :, channels:]
  split = convolution.convolve(template, theta_z)
  split += convolution.convolve(search, theta_x)
  close(split, oracles.concat_convolution(template, search, theta))


@shapes
def test_acm_gradient_equals_that_of_concatenation(shape):
  template, search = features(shape)
  cells, channels = shape[1], shape[3]
  rng = np.random.default_rng(1)
  theta = 0.05 * normal(rng, (cells, cells, 2 * channels, 6))

  def split(template, search, theta):
    half = theta.shape[2] // 2
    kernel = convolution.convolve(template, theta[:, :, :half])
    response = convolution.convolve(search, theta[:, :, half:]) + kernel
    return jnp.sum(jnp.sin(response))

  def explicit(template, search, theta):
    corners = jnp.arange(search.shape[1] - cells + 1)[:, None]
    taps = corners + jnp.arange(cells)[None]
    cut = search[:, taps][:, :, :, taps].swapaxes(2, 3)
    tiled = jnp.broadcast_to(template[:, None, None], cut.shape)
    both = jnp.concatenate([tiled, cut], axis=-1)
    return jnp.sum(jnp.sin(jnp.einsum('bijyxc,yxcf->bijf', both, theta)))

  ours = jax.jit(jax.grad(split, (0, 1, 2)))(template, search, theta)
  expected = jax.jit(jax.grad(explicit, (0, 1, 2)))(template, search, theta)
  jax.tree.map(close, ours, expected)


def acm(shape, **options):
  template, search = features(shape)
  module = fusion.Acm(shape[3], shape[1], **options)
  box_size = jnp.linspace(30, 90, 2 * shape[0]).reshape(-1, 2)
  init = jax.jit(module.init)
  variables = init(jax.random.key(0), template, box_size, search)
  return module, variables, template, box_size, search


@shapes
@pytest.mark.parametrize('prior', [True, False], ids=['prior', 'no prior'])
@pytest.mark.parametrize('extra', [True, False], ids=['extra', 'pure'])
def test_acm_encode_then_fuse_equals_call(shape, prior, extra):
  module, variables, template, box_size, search = acm(
    shape, prior=prior, extra_conv=extra
  )
  whole = module.apply(variables, template, box_size, search)
  encode = {'method': 'encode', 'train': False}
  kernel = module.apply(variables, template, box_size, **encode)
  assert kernel.shape == (shape[0], 1, 1, shape[3])
  parts = module.apply(variables, kernel, search, method='fuse', train=False)
  np.testing.assert_array_equal(whole, parts)
  side = shape[2] - shape[1] + 1
  assert whole.shape == (shape[0], side, side, shape[3])


def test_acm_depends_on_the_box_size_only_with_the_prior():
  for prior in (True, False):
    module, variables, template, box_size, search = acm(
      SHAPES['siamban'], prior=prior, extra_conv=False
    )
    one = module.apply(variables, template, box_size, search)
    other = module.apply(variables, template, box_size[:, ::-1], search)
    assert np.array_equal(one, other) != prior


def test_acm_is_two_convolutions_and_their_sum():
  module, variables, *inputs = acm(
    SHAPES['siamban'], prior=False, extra_conv=False
  )
  program = jax.make_jaxpr(module.apply)(variables, *inputs)
  primitives = [eqn.primitive.name for eqn in program.jaxpr.eqns]
  assert primitives.count('conv_general_dilated') == 2


def kernels(shape, outputs=3):
  batch, cells, _, channels = shape
  rng = np.random.default_rng(3)
  return normal(rng, (batch, cells, cells, channels, outputs))


@shapes
def test_xcorr_equals_its_oracle(shape):
  _, search = features(shape)
  kernel = kernels(shape)
  close(fusion.xcorr(search, kernel), oracles.xcorr(search, kernel))


@shapes
def test_xcorr_gradient_equals_that_of_a_convolution_per_sample(shape):
  _, search = features(shape)
  kernel = kernels(shape)

  def one_by_one(search, kernel):
    maps = [
      convolution.convolve(x[None], k)
      for x, k in zip(search, kernel, strict=True)
    ]
    return jnp.concatenate(maps)

  def gradient(function):
    def squares(*x):
      return jnp.sum(function(*x) ** 2)

    return jax.jit(jax.grad(squares, (0, 1)))(search, kernel)

  expected = gradient(one_by_one)
  jax.tree.map(close, gradient(fusion.xcorr), expected)


@shapes
def test_depthwise_xcorr_equals_its_oracle(shape):
  template, search = features(shape)
  ours = fusion.depthwise_xcorr(search, template)
  close(ours, oracles.depthwise_xcorr(search, template))


@shapes
def test_depthwise_xcorr_gradient_equals_the_grouped_convolution(shape):
  template, search = features(shape)

  def grouped(search, kernel):
    def one(search, kernel):
      return jax.lax.conv_general_dilated(
        search[None],
        kernel[:, :, None],
        (1, 1),
        'VALID',
        dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
        feature_group_count=search.shape[-1],
      )[0]

    return jax.vmap(one)(search, kernel)

  def loss(operator):
    return lambda *x: jnp.sum(jnp.sin(operator(*x)))

  ours = jax.jit(jax.grad(loss(fusion.depthwise_xcorr), (0, 1)))(
    search, template
  )
  expected = jax.jit(jax.grad(loss(grouped), (0, 1)))(search, template)
  jax.tree.map(close, ours, expected)


def test_an_unknown_fusion_is_refused_with_the_known_ones():
  with pytest.raises(ValueError, match=r"unknown fusion 'xcor'.*acm, dw_xcorr"):
    fusion.make('xcor', 8, 5)
