"""Builds everything that a training run needs from the sections of a config."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh
from jaxtyping import Float

from acm_jax import trackers
from acm_jax.tracking.contract import Batch, Hparams, Tracker, Variables
from acm_jax.tracking.model import check_precision
from acm_jax.training import optimizer as optimizers
from acm_jax.training import schedule, sharding, step
from acm_jax.training import state as states
from acm_jax.training.augment import Distortion, Ranges, augment
from acm_jax.training.optimizer import Optimizer
from acm_jax.training.schedule import Phase
from acm_jax.training.sections import Log, Saving, Train, Validation, section
from acm_jax.training.sharding import Sharding
from acm_jax.training.state import TrainState
from acm_jax.training.step import Metrics
from acm_jax.training.teacher import Teacher
from data_pipelines import batch
from data_pipelines.batch import RawBatch

# Training step: takes a state, a batch, and the variables of the teacher (None
# if there is no teacher).
StepFunction = Callable[..., tuple[TrainState, Metrics]]
# Required sections. `sets` and `data` are used in the module `train`.
_SECTIONS = {
  *('tracker', 'hparams', 'sets', 'data', 'augment', 'optimizer', 'schedule'),
  *('phases', 'precision', 'train', 'log', 'checkpoints'),
}
# Optional sections. `tuned` is used in tracking, `own` and `synthetic` in the
# module `train`.
_OPTIONAL = {'own', 'sharding', 'synthetic', 'teacher', 'tuned', 'validation'}


@dataclasses.dataclass(frozen=True, eq=False)
class Plan:
  """A training run from the first step to the last.

  Attributes:
    tracker: Tracker to train.
    hparams: Hyper-parameters of tracking.
    train: Length of the training and settings of the step.
    rate: Learning rate of each epoch.
    phases: Phases, in which different parts of the network train.
    distortion: Ranges of the augmentation; None if the crops already have the
      sizes of the tracker.
    optimizer: Optimizer that turns gradients into updates.
    log: Number of steps from one row of metrics to the next.
    saving: Number of steps between checkpoints, and number of checkpoints to
      keep.
    sharding: Rules that split arrays over devices.
    precision: Precision of matrix products, a value of
      `jax.default_matmul_precision` that `model.PRECISIONS` lists.
    validation: Held-out sequences to track at every checkpoint, if any.
    teacher: Trained tracker to imitate, if any.
  """

  tracker: Tracker
  hparams: Hparams
  train: Train
  rate: Float[np.ndarray, 'e']
  phases: tuple[Phase, ...]
  distortion: Distortion | None
  optimizer: Optimizer
  log: Log
  saving: Saving
  sharding: Sharding
  precision: str = 'default'
  validation: Validation | None = None
  teacher: Teacher | None = None

  @property
  def shapes(self) -> Variables:
    """Shapes of the network's variables."""
    return trackers.shapes(self.tracker)

  @property
  def total_steps(self) -> int:
    """Number of steps of the whole run."""
    return self.train.steps_per_epoch * self.train.epochs

  @property
  def search_size(self) -> int:
    """Side of the search crop in training, px."""
    return self.train.search_size or self.tracker.search_size

  @property
  def key(self) -> jax.Array:
    """Random key of the run."""
    return jax.random.key(self.train.seed)

  @property
  def crop_sides(self) -> dict[str, int]:
    """Sides of the crops in a batch before augmentation, px.

    The sides include the margin for shift and scale. They are given as the
    keyword arguments `template_side` and `search_side` of `train_batches`.
    """
    template, search = self.tracker.template_size, self.search_size
    if self.distortion:
      template = self.distortion.template.padded_side(template)
      search = self.distortion.search.padded_side(search)
    return {'template_side': template, 'search_side': search}

  def phase(self, number: int) -> Phase:
    """Returns the phase of the step that follows the first `number` steps."""
    return schedule.phase_at(self.phases, number // self.train.steps_per_epoch)

  def phase_before(self, step: int) -> Phase:
    """Returns the phase of step number `step`, counted from 1.

    Returns the first phase if `step` is 0.
    """
    return self.phase(max(step - 1, 0))

  def distort(self, raw: RawBatch, rng: jax.Array) -> Batch:
    """Augments a batch as a training step does."""
    return augment(
      raw,
      rng,
      self.distortion,
      template_size=self.tracker.template_size,
      search_size=self.search_size,
    )

  def optimizer_of(self, phase: Phase) -> optax.GradientTransformation:
    """Builds the optimizer of a phase.

    Raises:
      ValueError: A parameter matches no expression in the rates of the phase,
        or an expression is never the first that matches.
    """
    with section(f'phases.{phase.name}'):
      return self.optimizer.of(self.shapes['params'], phase.rates)

  def state_sharding(self, state: TrainState, mesh: Mesh) -> Any:
    """Returns the sharding of every array of a state.

    Args:
      state: State of arrays or shapes.
      mesh: Mesh of the devices to train on.

    Raises:
      ValueError: A parameter matches no expression in the sharding rules, or an
        expression is never the first that matches.
    """
    with section('sharding'):
      return sharding.of_state(state, self.sharding, mesh)

  def initial_state(self, phase: Phase) -> TrainState:
    """Creates a state with random weights and the optimizer of `phase`."""
    variables = self.tracker.init_variables(self.key)
    return self._state(phase, variables)

  def state_shapes(self, phase: Phase) -> TrainState:
    """Returns the shapes of a state with the optimizer of `phase`."""
    return jax.eval_shape(functools.partial(self._state, phase), self.shapes)

  def placed_shapes(self, phase: Phase, mesh: Mesh) -> TrainState:
    """Returns the shapes of a state with their shardings; see `state_shapes`.

    Args:
      phase: Phase whose optimizer the state has.
      mesh: Mesh of the devices to train on.
    """
    shapes = self.state_shapes(phase)
    return sharding.placed(shapes, self.state_sharding(shapes, mesh))

  def batch_shapes(self) -> RawBatch:
    """Returns the shapes of a batch of all processes."""
    pair = batch.fake(1, **self.crop_sides)
    return jax.tree.map(
      lambda x: jax.ShapeDtypeStruct(
        (self.train.batch_size, *x.shape[1:]), x.dtype
      ),
      pair,
    )

  def _state(self, phase: Phase, variables: Variables) -> TrainState:
    averaged = self.train.ema_decay > 0
    return states.create(variables, self.optimizer_of(phase), averaged=averaged)

  def enter(self, phase: Phase, before: TrainState) -> TrainState:
    """Returns the state with which a phase begins.

    Only the state of the optimizer is new.

    Args:
      phase: Phase that begins.
      before: State at the end of the previous phase.
    """
    fresh = self.optimizer_of(phase).init(before.params)
    return before.replace(opt_state=fresh)

  def step_function(self, phase: Phase) -> StepFunction:
    """Builds the training step of a phase, without compiling it."""
    take = functools.partial(
      step.train_step,
      tracker=self.tracker,
      distortion=self.distortion,
      search_size=self.search_size,
      optimizer=self.optimizer_of(phase),
      rate_per_epoch=jnp.asarray(self.rate, jnp.float32),
      mode=dataclasses.replace(
        phase.mode(self.shapes['params']), remat=self.train.remat
      ),
      settings=self.train,
      teacher=self.teacher,
    )

    def train_step(state, raw, key, teacher_variables=None):
      # JAX reads the precision while it traces the step. In this context, the
      # global setting of the process has no effect.
      with jax.default_matmul_precision(self.precision):
        return take(state, raw, key, teacher_variables)

    return train_step


def make_plan(
  config: Mapping[str, Any], tracker: Tracker | None = None
) -> Plan:
  """Makes the plan of a training run from its config.

  Args:
    config: Sections of the config, as plain mappings.
    tracker: Tracker to train (default: the tracker of the section `tracker`).

  Returns:
    The plan, without a teacher, which is loaded separately.

  Raises:
    ValueError: A section is missing, a number is out of range, a name is
      unknown, or an expression matches nothing; the message names the section.
  """
  missing_or_unknown = _SECTIONS ^ (set(config) - _OPTIONAL)
  if missing_or_unknown:
    raise ValueError(
      'config: sections are missing or unknown: '
      f'{", ".join(sorted(missing_or_unknown))}; required are '
      f'{", ".join(sorted(_SECTIONS))}; optional are '
      f'{", ".join(sorted(_OPTIONAL))}'
    )

  def build(function, name, **others):
    with section(name):
      return function(**others, **config[name])

  train = build(Train, 'train')
  with section('precision'):
    check_precision(config['precision'])
  plan = Plan(
    tracker=build(trackers.make, 'tracker') if tracker is None else tracker,
    hparams=build(Hparams, 'hparams'),
    train=train,
    rate=build(schedule.rate_per_epoch, 'schedule', epochs=train.epochs),
    phases=schedule.make_phases(config['phases']),
    distortion=_make_distortion(config['augment']),
    optimizer=build(optimizers.make, 'optimizer'),
    log=build(Log, 'log'),
    saving=build(Saving, 'checkpoints'),
    sharding=(
      build(Sharding, 'sharding') if 'sharding' in config else Sharding()
    ),
    precision=config['precision'],
    validation=(
      build(Validation, 'validation') if 'validation' in config else None
    ),
  )
  _check_expressions(plan)
  return plan


def _check_expressions(plan: Plan) -> None:
  """Checks the regular expressions of phases and sharding before the run."""
  for phase in plan.phases:
    plan.optimizer_of(phase)
  schedule.check_statistics(plan.phases, plan.shapes.get('batch_stats', {}))
  with section('sharding'):
    plan.sharding.specs(plan.shapes['params'])


def _make_distortion(config: Mapping[str, Any]) -> Distortion:
  ranges = {}
  for name in ('template', 'search'):
    with section(f'augment.{name}'):
      ranges[name] = Ranges(**config.get(name, {}))
  with section('augment'):
    return Distortion(**{**config, **ranges})
