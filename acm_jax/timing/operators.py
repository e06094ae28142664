"""Timing of the fusions and of the backbones' convolutions."""

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from acm_jax.modules import backbone as backbones
from acm_jax.modules import convolution, fusion
from acm_jax.modules.depthwise import depthwise_conv
from acm_jax.modules.layers import DepthwiseBn
from acm_jax.modules.mode import EVAL
from acm_jax.timing.form import Form, in_jax, normal
from acm_jax.timing.measure import Work
from acm_jax.tracking import programs

# Additional implementations to time: operator -> name -> function that takes
# the settings of the operator and returns a `Form`.
Others = Mapping[str, Mapping[str, Callable[..., Form]]]
DTYPES = ('float32', 'bfloat16')
# Sizes in the heads of SiamRPN++ and SiamBAN, after the adapters: cells per
# side of the template features and of the search features, and channels.
TEMPLATE_CELLS, SEARCH_CELLS, FEATURES = 5, 29, 256
# Convolutions of the networks: side and channels of the input, channels of the
# output, size of the kernel, stride, padding and dilation.
CONVOLUTIONS = (
  (287, 3, 96, 11, 2, 0, 1),
  (255, 3, 64, 7, 2, 0, 1),
  (255, 3, 16, 3, 2, 1, 1),
  (64, 16, 72, 1, 1, 0, 1),
  (63, 256, 64, 1, 1, 0, 1),
  (31, 2048, 512, 1, 1, 0, 1),
  (63, 64, 64, 3, 1, 1, 1),
  (31, 256, 256, 3, 1, 2, 2),
  (31, 512, 512, 3, 1, 4, 4),
  (31, 1024, 2048, 3, 1, 2, 2),
  (63, 256, 512, 3, 2, 0, 1),
  (18, 96, 96, 4, 1, 0, 1),
  (29, 256, 256, 5, 1, 0, 1),
  (69, 96, 256, 5, 1, 0, 1),
)
# Number of channels of an RPN's classification output with five anchors.
OUTPUTS = 10


def names() -> list[str]:
  """Returns the names of all operators, which are the keys of `Others`."""
  return [*fusion.names(), 'depthwise_conv', 'conv']


def fusions(
  others: Others,
  batch_size: int,
  only: tuple[str, ...] = ('',),
  *,
  features: int = FEATURES,
  search_cells: int = SEARCH_CELLS,
) -> Iterator[Work]:
  """Yields a `Work` per fusion, pass (forward or gradient) and dtype.

  Batch norms are in training mode.

  Args:
    others: Additional implementations, as in `Others`. The only setting of a
      fusion without a head is `outputs`, its number of output channels. A
      fusion with a head has no settings. The functions of a `Form` take
      template features and search features.
    batch_size: Number of samples per batch.
    only: Prefixes of the names of the fusions to time.
    features: Number of channels.
    search_cells: Number of cells per side of the search features.
  """
  for name in filter(lambda name: name.startswith(only), fusion.names()):
    options = {} if fusion.get(name).has_head else {'outputs': OUTPUTS}
    module = fusion.make(name, features, TEMPLATE_CELLS, **options)
    channels = features * options.get('outputs', 1)
    template = normal((batch_size, TEMPLATE_CELLS, TEMPLATE_CELLS, channels))
    search = normal((batch_size, search_cells, search_cells, features))
    function, params = _trained(module, template, search)
    ours = in_jax(function), (template, search, params)
    rest = {
      other: (make(**options), (template, search))
      for other, make in others.get(name, {}).items()
    }
    yield from _works(name, {'ours': ours, **rest})


def _trained(
  module: nn.Module, template: jax.Array, search: jax.Array
) -> tuple[Callable, Any]:
  """Returns a fusion as a function, and the fusion's initial parameters.

  The function takes template features, search features and parameters.
  """
  box_size = jnp.full((len(template), 2), 63.5)
  variables = module.init(jax.random.key(0), template, box_size, search)

  def function(template, search, params):
    response, _ = module.apply(
      {**variables, 'params': params},
      template,
      box_size.astype(template.dtype),
      search,
      train=True,
      mutable=['batch_stats'],
    )
    return response

  return function, variables.get('params', {})


def depthwise(
  others: Others, batch_size: int, only: tuple[str, ...] = ('',)
) -> Iterator[Work]:
  """Yields a `Work` per convolution, pass (forward or gradient) and dtype.

  The convolutions are the depthwise convolutions of a MobileNetV2 with a width
  multiplier of 1.4 and an input of 255 px.

  Args:
    others: Additional implementations of `depthwise_conv`, as in `Others`. The
      settings are stride, padding and dilation. The functions of a `Form` take
      an image and a kernel.
    batch_size: Number of samples per batch.
    only: Prefixes of the names of the convolutions to time.
  """
  for shape, settings in depthwise_shapes():
    size = 'x'.join(map(str, shape))
    name = f'depthwise {size}, ' + ', '.join(
      f'{key} {settings[key]}' for key in ('stride', 'dilation')
    )
    if not name.startswith(only):
      continue
    arrays = normal((batch_size, *shape)), normal((3, 3, 1, shape[-1]))
    function = functools.partial(depthwise_conv, **settings)
    ours = in_jax(function), arrays
    rest = {
      other: (make(**settings), arrays)
      for other, make in others.get('depthwise_conv', {}).items()
    }
    yield from _works(name, {'ours': ours, **rest})


def convolutions(
  others: Others, batch_size: int, only: tuple[str, ...] = ('',)
) -> Iterator[Work]:
  """Yields a `Work` per convolution and pass (forward or gradient), in float32.

  The forward pass has the prepared kernel of tracking, on a CPU. The gradient
  is that of a training step.

  Args:
    others: Additional implementations of the operator `conv`, as in `Others`.
      The settings are stride, padding and dilation. The functions of a `Form`
      take an image and a kernel.
    batch_size: Number of samples per batch.
    only: Prefixes of the names of the convolutions to time.
  """
  for side, channels, features, size, *rest in CONVOLUTIONS:
    grid = dict(zip(('stride', 'padding', 'dilation'), rest, strict=True))
    name = f'conv {side}x{side}x{channels}, {size}x{size} to {features}, ' + (
      ', '.join(f'{key} {grid[key]}' for key in ('stride', 'dilation'))
    )
    if not name.startswith(only):
      continue
    arrays = (
      normal((batch_size, side, side, channels)),
      normal((size, size, channels, features)),
    )
    forms = {'ours': (_convolution(**grid), arrays)} | {
      other: (make(**grid), arrays)
      for other, make in others.get('conv', {}).items()
    }
    yield from _works(name, forms, DTYPES[:1])


def _convolution(**grid: int) -> Form:
  """Returns the form of tracking, with the gradient of a training step."""
  trained = in_jax(
    functools.partial(convolution.convolve, training=True, **grid)
  )
  if jax.default_backend() != 'cpu':
    return trained

  def forward(x, kernel):
    cells, _ = convolution.cells(x, len(kernel), **grid)
    prepared = convolution.prepare(
      kernel, cells, stride=grid['stride'], dilation=grid['dilation']
    )
    conv = functools.partial(
      convolution.convolve_prepared, size=len(kernel), **grid
    )
    compiled = jax.jit(conv, compiler_options=programs.options())
    return functools.partial(compiled, x, prepared)

  return Form(forward, trained.gradient)


def depthwise_shapes() -> list[tuple[tuple[int, ...], dict[str, int]]]:
  """Returns the distinct depthwise convolutions of the timed MobileNetV2.

  Returns:
    Input shape (height, width, channels) and settings of each convolution.
  """
  convolutions = []

  def record(call, args, kwargs, context):
    module = context.module
    if isinstance(module, DepthwiseBn) and context.method_name == '__call__':
      names = ('stride', 'padding', 'dilation')
      settings = {name: getattr(module, name) for name in names}
      convolutions.append((args[0].shape[1:], settings))
    return call(*args, **kwargs)

  network = backbones.make('mobilenet_v2', levels=(7,), width=1.4)
  image = jnp.zeros((1, 255, 255, 3))
  init = functools.partial(network.init, mode=EVAL)
  with nn.intercept_methods(record):
    jax.eval_shape(init, jax.random.key(0), image)
  return [
    each for i, each in enumerate(convolutions) if each not in convolutions[:i]
  ]


def _works(
  operator: str,
  forms: Mapping[str, tuple[Form, Any]],
  dtypes: tuple[str, ...] = DTYPES,
) -> Iterator[Work]:
  """Yields a `Work` per pass (forward or gradient) and dtype."""
  for dtype in dtypes:
    runs = {'forward': {}, 'gradient': {}}
    for name, (form, arrays) in forms.items():
      cast = jax.tree.map(lambda x, dtype=dtype: x.astype(dtype), arrays)
      runs['forward'][name] = form.forward(*cast)
      runs['gradient'][name] = form.gradient(*cast)
    for name_of_pass, by_form in runs.items():
      labels = {'operator': operator, 'type': dtype, 'pass': name_of_pass}
      yield Work(labels, by_form)
