"""A config's sections turned into what the loop runs, and nothing run yet."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float

from acm_jax import trackers
from acm_jax.tracking.contract import Batch, Hparams, Tracker
from acm_jax.training import optimizer as optimizers
from acm_jax.training import schedule, state
from acm_jax.training.augment import Distortion, Ranges, augment
from acm_jax.training.optimizer import Optimizer
from acm_jax.training.schedule import Phase
from acm_jax.training.sections import Log, Saving, Train, Validation, section
from acm_jax.training.state import TrainState
from acm_jax.training.step import Metrics, train_step
from acm_jax.training.teacher import Teacher
from data_pipelines.batch import RawBatch

# State, batch and the variables of the teacher, if there is one.
StepFunction = Callable[..., tuple[TrainState, Metrics]]
# Those of data and the precision are used by the loop.
_SECTIONS = {
  *('tracker', 'hparams', 'sets', 'data', 'augment', 'optimizer', 'schedule'),
  *('phases', 'precision', 'train', 'log', 'checkpoints'),
}
# `tuned` is used in tracking, `synthetic` and `teacher` by the loop.
_OPTIONAL = {'synthetic', 'teacher', 'tuned', 'validation'}


@dataclasses.dataclass(frozen=True, eq=False)
class Plan:
  """All that a training run does, from the first step to the last.

  Attributes:
    tracker: What is trained.
    hparams: Penalty, window and smoothing.
    train: Epochs, batches, seed.
    rate: Learning rate of each epoch.
    phases: What trains from which epoch on.
    distortion: How far pairs are distorted.
    optimizer: Gradients to updates.
    log: When metrics are written.
    saving: When checkpoints are.
    validation: What is measured at every checkpoint, if anything.
  """

  tracker: Tracker
  hparams: Hparams
  train: Train
  rate: Float[np.ndarray, 'e']
  phases: tuple[Phase, ...]
  distortion: Distortion
  optimizer: Optimizer
  log: Log
  saving: Saving
  validation: Validation | None = None

  @property
  def total_steps(self) -> int:
    """Steps of the whole run."""
    return self.train.steps_per_epoch * self.train.epochs

  @property
  def search_size(self) -> int:
    """Side of the search crop in training, px."""
    return self.train.search_size or self.tracker.search_size

  @property
  def rooms(self) -> dict[str, int]:
    """Sides of the context crops that the host gives, px."""
    template, search = self.distortion.template, self.distortion.search
    return {
      'template_room': template.room(self.tracker.template_size),
      'search_room': search.room(self.search_size),
    }

  def phase(self, step: int) -> Phase:
    """The phase that step number `step`, from 0, belongs to."""
    return schedule.phase_at(self.phases, step // self.train.steps_per_epoch)

  def phase_before(self, step: int) -> Phase:
    """The phase that a state after `step` steps comes from."""
    return self.phase(max(step - 1, 0))

  def distort(self, raw: RawBatch, rng: jax.Array) -> Batch:
    """Distorts a batch as a training step does."""
    return augment(
      raw,
      rng,
      self.distortion,
      template_size=self.tracker.template_size,
      search_size=self.search_size,
    )

  def optimizer_of(
    self, phase: Phase, params: Any
  ) -> optax.GradientTransformation:
    """The optimizer of a phase, for parameters or their shapes."""
    with section(f'phases.{phase.name}'):
      return self.optimizer.of(params, phase.rates)

  def initial_state(self, phase: Phase) -> TrainState:
    """The state that a run begins with, in the form that `phase` needs."""
    variables = self.tracker.init_variables(jax.random.key(self.train.seed))
    optimizer = self.optimizer_of(phase, variables['params'])
    averaged = self.train.ema_decay > 0
    return state.create(variables, optimizer, averaged=averaged)

  def enter(self, phase: Phase, before: TrainState) -> TrainState:
    """The state with the momentum begun anew, for another phase."""
    fresh = self.optimizer_of(phase, before.params).init(before.params)
    return before.replace(opt_state=fresh)

  def step_function(
    self, phase: Phase, params: Any, teacher: Teacher | None = None
  ) -> StepFunction:
    """The train step of a phase, to be compiled."""
    return functools.partial(
      train_step,
      tracker=self.tracker,
      distortion=self.distortion,
      search_size=self.search_size,
      optimizer=self.optimizer_of(phase, params),
      rate_per_epoch=jnp.asarray(self.rate, jnp.float32),
      steps_per_epoch=self.train.steps_per_epoch,
      mode=phase.mode(params),
      seed=self.train.seed,
      ema_decay=self.train.ema_decay,
      teacher=teacher,
    )


def make_plan(config: Mapping[str, Any]) -> Plan:
  """The plan of a config, as plain mappings.

  Raises:
    ValueError: A number is out of its range, or a name is unknown; the message
      names the section.
  """
  wrong = _SECTIONS ^ (set(config) - _OPTIONAL)
  if wrong:
    raise ValueError(
      f'config: sections missing or unknown: {", ".join(sorted(wrong))}'
    )

  def made(name, function, *args):
    with section(name):
      return function(*args, **config[name])

  tracker_of = functools.partial(trackers.make, precision=config['precision'])
  train = made('train', Train)
  tracker = made('tracker', tracker_of)
  validation = None
  if 'validation' in config:
    validation = made('validation', Validation)
  return Plan(
    tracker=tracker,
    hparams=made('hparams', Hparams),
    train=train,
    rate=made('schedule', schedule.rate_per_epoch, train.epochs),
    phases=_make_phases(config['phases'], tracker),
    distortion=_make_distortion(config['augment']),
    optimizer=made('optimizer', optimizers.make),
    log=made('log', Log),
    saving=made('checkpoints', Saving),
    validation=validation,
  )


def _make_phases(
  config: Mapping[str, Any], tracker: Tracker
) -> tuple[Phase, ...]:
  phases = schedule.make_phases(config)
  # To trace the network takes seconds.
  if any(phase.frozen_statistics for phase in phases):
    shapes = jax.eval_shape(tracker.init_variables, jax.random.key(0))
    schedule.check_statistics(phases, shapes.get('batch_stats', {}))
  return phases


def _make_distortion(config: Mapping[str, Any]) -> Distortion:
  ranges = {}
  for name in ('template', 'search'):
    with section(f'augment.{name}'):
      ranges[name] = Ranges(**config.get(name, {}))
  with section('augment'):
    return Distortion(**{**config, **ranges})
