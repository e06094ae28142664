"""Timing of the training step and the tracking step of whole trackers."""

import functools
import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from acm_jax import trackers
from acm_jax.timing import scene
from acm_jax.timing.form import Run
from acm_jax.timing.measure import Timed, Work
from acm_jax.timing.worker import Worker
from acm_jax.tracking import programs
from acm_jax.tracking.contract import Hparams, Tracker, Variables
from acm_jax.tracking.engine import Engine
from acm_jax.tracking.model import Model
from acm_jax.training import state
from acm_jax.training.optimizer import Sgd
from acm_jax.training.schedule import Phase
from acm_jax.training.sections import Train
from acm_jax.training.state import TrainState
from acm_jax.training.step import train_step
from data_pipelines import batch
from data_pipelines.batch import RawBatch

# Additional implementations of steps: 'train' or 'track' -> name -> function
# that returns what to time. Its argument is the number of pairs of the training
# step, or the height and width of the frame of the tracking step, in px.
Others = Mapping[str, Mapping[str, Callable[..., Timed]]]
# Phase that trains all weights.
EVERYTHING = Phase('everything', 0, (('', 1.0),))
# The size of the batch does not matter here.
_ONE_STEP = Train(epochs=1, pairs_per_epoch=1, batch_size=1, seed=0)


def train(
  name: str, section: Mapping[str, Any], batch_size: int, others: Others
) -> Work:
  """Returns the training step to time.

  It trains all weights, and includes no augmentation. On a CPU, it runs in a
  process of its own, which keeps freed memory as `acm-jax train` does.

  Args:
    name: Name of the network.
    section: Section `tracker` of the network's config.
    batch_size: Number of pairs in the step.
    others: Additional implementations of the steps.
  """
  make = _process if _on_cpu() else training_run
  labels = {'network': name, 'step': 'train', 'of': f'{batch_size} pairs'}
  forms = {dtype: make(section, dtype, batch_size) for dtype in _dtypes()}
  rest = {k: form(batch_size) for k, form in others.get('train', {}).items()}
  return Work(labels, forms | rest)


def track(name: str, section: Mapping[str, Any], others: Others) -> Work:
  """Returns the tracking step to time.

  Args:
    name: Name of the network.
    section: Section `tracker` of the network's config.
    others: Additional implementations of the steps.
  """
  h, w = scene.FRAME
  labels = {'network': name, 'step': 'track', 'of': f'{w}x{h}'}
  forms = {dtype: _tracking(name, section, dtype) for dtype in _dtypes()}
  rest = {k: form(scene.FRAME) for k, form in others.get('track', {}).items()}
  return Work(labels, forms | rest)


def _on_cpu() -> bool:
  return jax.default_backend() == 'cpu'


def _dtypes() -> tuple[str, ...]:
  """Returns the types that steps compute in."""
  # On a CPU, bfloat16 is not faster, and timing it would take twice as long.
  return ('float32',) if _on_cpu() else ('float32', 'bfloat16')


def tracker_of(section: Mapping[str, Any], dtype: str) -> Tracker:
  """Builds the tracker of a config.

  Args:
    section: Section `tracker` of the config.
    dtype: Type that the network computes in, instead of that of the config.
  """
  return trackers.make(**{**section, 'dtype': dtype})


def _variables(tracker: Tracker) -> Variables:
  return jax.jit(tracker.init_variables)(jax.random.key(0))


def random_model(
  name: str, section: Mapping[str, Any], dtype: str = 'float32'
) -> Model:
  """Returns the model whose tracking step is timed, with random weights.

  Args:
    name: Name of the network.
    section: Section `tracker` of the network's config.
    dtype: Type that the network computes in.
  """
  tracker = tracker_of(section, dtype)
  return Model(name, tracker, _variables(tracker), Hparams(0.1, 0.4, 0.4))


def training_run(
  section: Mapping[str, Any], dtype: str, batch_size: int
) -> Run:
  """Returns a function that runs the training step once, always from one state.

  Args:
    section: Section `tracker` of the network's config.
    dtype: Type that the network computes in.
    batch_size: Number of pairs.
  """
  tracker = tracker_of(section, dtype)
  step, before = training(tracker, _variables(tracker))
  raw = jax.tree.map(jnp.asarray, batch_of(tracker, batch_size))
  return functools.partial(step, before, raw)


def _process(section: Mapping[str, Any], dtype: str, batch_size: int) -> Worker:
  """Returns a process that times the training step."""
  request = json.dumps([dict(section), dtype, batch_size])
  command = sys.executable, '-m', 'acm_jax.timing.training_process', request
  return Worker(command)


def batch_of(tracker: Tracker, batch_size: int) -> RawBatch:
  """Returns random pairs of crops in the input sizes of a tracker."""
  return batch.fake(batch_size, tracker.template_size, tracker.search_size)


def training(
  tracker: Tracker,
  variables: Variables,
  phase: Phase = EVERYTHING,
) -> tuple[Callable, TrainState]:
  """Returns the training step without augmentation, and the first state.

  Args:
    tracker: Tracker to train.
    variables: Weights and statistics of the network.
    phase: Phase of training, which defines the weights that train.

  Returns:
    A jitted function that takes a `TrainState` and a `RawBatch`, and the first
    state.
  """
  optimizer = Sgd(0.9, 1e-4, 10.0).of(variables['params'], phase.rates)
  step = functools.partial(
    train_step,
    key=jax.random.key(0),
    tracker=tracker,
    # The crops already have their final sizes.
    distortion=None,
    search_size=tracker.search_size,
    optimizer=optimizer,
    rate_per_epoch=jnp.array([1e-3], jnp.float32),
    mode=phase.mode(variables['params']),
    settings=_ONE_STEP,
  )
  step = jax.jit(step, compiler_options=programs.options())
  return step, state.create(variables, optimizer)


def _tracking(name: str, section: Mapping[str, Any], dtype: str) -> Run:
  """Returns a step of the engine, from the frame on the host to the box."""
  engine = Engine(random_model(name, section, dtype))
  image = scene.frame()
  engine.start(image, {0: np.array(scene.BOX_XYWH)})
  return lambda: engine.advance(image)()
