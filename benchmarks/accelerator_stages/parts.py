"""Times the parts of a light tracker's training step.

The parts are augmentation, the forward pass, its gradient and the whole step.
Each part is compiled separately. All parts except augmentation are timed a
second time, with depthwise convolutions computed by XLA's grouped convolution.
A rehearsal leaves out gradient and step, which compile slowly.
"""

import functools
import importlib
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from unittest import mock

import jax
import jax.numpy as jnp

from acm_jax.modules import depthwise
from acm_jax.timing import steps
from acm_jax.timing.measure import Work, measure
from acm_jax.training.augment import augment
from acm_jax.training.plan import Plan, make_plan
from benchmarks import forms
from benchmarks.accelerator_stages.settings import Row, Settings
from data_pipelines import batch
from tests import variables

CONFIG, BATCH_SIZE, SECONDS = 'nanotrack_acm', 64, 1.0
PARTS = 'augment', 'forward', 'gradient', 'step'
REHEARSED = 'augment', 'forward'


class Program(NamedTuple):
  """Function to compile, and the arguments to call it with."""

  function: Callable
  args: tuple[Any, ...]


def rows(settings: Settings) -> Iterator[Row]:
  """Yields a row for every part and implementation of depthwise convolution."""
  size, argument, parts = BATCH_SIZE, 'whole', PARTS
  if settings.rehearse:
    size, argument, parts = 2, 'tiny', REHEARSED
  module = importlib.import_module(f'configs.{CONFIG}')
  plan = make_plan(module.get_config(argument).to_dict())
  for form, replacement in (('ours', None), ('grouped', _grouped)):
    for part in parts:
      if form == 'ours' or part != 'augment':
        make = functools.partial(_MAKERS[part], plan, size)
        row = _figures(make, replacement)
        rate = round(size / row['least_ms'] * 1e3, 1)
        yield {'part': part, 'form': form, **row, 'pairs_per_s': rate}


def _figures(make: Callable[[], Program], replacement: Callable | None) -> Row:
  """Times the compilation and the execution of a program.

  Args:
    make: Function that makes the program. The program's function must be a
      result of `jax.jit`.
    replacement: Function to use instead of this library's depthwise
      convolution; None for no replacement.
  """
  convolution = replacement or depthwise._depthwise
  with mock.patch.object(depthwise, '_depthwise', convolution):
    program = make()
    args = jax.device_put(program.args)
    begun = time.perf_counter()
    compiled = program.function.lower(*args).compile()
    seconds = time.perf_counter() - begun
  work = Work({}, {'': functools.partial(compiled, *args)})
  (row,) = measure([work], seconds=SECONDS)
  return {'compile_s': round(seconds, 1), 'least_ms': row['least_ms']}


def _grouped(x, kernel, taps):
  return forms.grouped_depthwise(
    x,
    kernel,
    stride=taps.stride,
    padding=taps.padding,
    dilation=taps.dilation,
  )


def _augment(plan: Plan, size: int) -> Program:
  raw = batch.fake(
    size, plan.crop_sides['template_side'], plan.crop_sides['search_side']
  )
  return Program(jax.jit(plan.distort), (raw, jax.random.key(0)))


def _loss(plan: Plan, size: int) -> Program:
  tracker, weights = plan.tracker, variables.fill(plan.tracker.init_variables)
  mode = plan.phases[-1].mode(weights['params'])
  raw = jax.tree.map(jnp.asarray, steps.batch_of(tracker, size))
  crops = augment(
    raw,
    jax.random.key(0),
    None,
    template_size=tracker.template_size,
    search_size=tracker.search_size,
  )
  targets = tracker.targets(crops, jax.random.key(0))

  def loss(params, statistics, crops, targets):
    outputs, _ = tracker.apply(
      {'params': params, 'batch_stats': statistics},
      crops.template,
      crops.template_box[:, 2:],
      crops.search,
      mode=mode,
    )
    return tracker.loss(outputs, targets)[0]

  args = weights['params'], weights['batch_stats'], crops, targets
  return Program(loss, args)


def _forward(plan: Plan, size: int) -> Program:
  loss = _loss(plan, size)
  return Program(jax.jit(loss.function), loss.args)


def _gradient(plan: Plan, size: int) -> Program:
  loss = _loss(plan, size)
  return Program(jax.jit(jax.grad(loss.function)), loss.args)


def _step(plan: Plan, size: int) -> Program:
  phase, weights = plan.phases[-1], variables.fill(plan.tracker.init_variables)
  step, state = steps.training(plan.tracker, weights, phase)
  return Program(step, (state, steps.batch_of(plan.tracker, size)))


_MAKERS = {
  'augment': _augment,
  'forward': _forward,
  'gradient': _gradient,
  'step': _step,
}
