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
from acm_jax.tracking.contract import Batch, Tracker
from acm_jax.training import optimizer as optimizers
from acm_jax.training import schedule, state
from acm_jax.training.augment import Ranges, augment
from acm_jax.training.schedule import Phase
from acm_jax.training.state import TrainState
from acm_jax.training.step import Metrics, train_step
from data_pipelines.batch import RawBatch

StepFunction = Callable[[TrainState, RawBatch], tuple[TrainState, Metrics]]


@dataclasses.dataclass(frozen=True, eq=False)
class Plan:
  """All that a training run computes, from the first step to the last.

  Attributes:
    tracker: What is trained.
    batch_size: Pairs of a step.
    steps_per_epoch: Steps.
    rate: Learning rate of each epoch.
    phases: What trains from which epoch on.
    template: Ranges of the template's distortions.
    search: Ranges of the search region's.
    grey: Probability that a pair loses its colour.
    optimizer: Further arguments of `optimizer.make`.
    seed: All randomness follows from it.
  """

  tracker: Tracker
  batch_size: int
  steps_per_epoch: int
  rate: Float[np.ndarray, 'e']
  phases: tuple[Phase, ...]
  template: Ranges
  search: Ranges
  grey: float
  optimizer: Mapping[str, float]
  seed: int

  @property
  def total_steps(self) -> int:
    """Steps of the whole run."""
    return self.steps_per_epoch * len(self.rate)

  @property
  def rooms(self) -> dict[str, int]:
    """Sides of the context crops that the host gives, px."""
    return {
      'template_room': self.template.room(self.tracker.template_size),
      'search_room': self.search.room(self.tracker.search_size),
    }

  def phase(self, step: int) -> Phase:
    """The phase that step number `step`, from 0, belongs to."""
    return schedule.phase_at(self.phases, step // self.steps_per_epoch)

  def phase_before(self, step: int) -> Phase:
    """The phase that a state after `step` steps comes from."""
    return self.phase(max(step - 1, 0))

  def augment(self, raw: RawBatch, rng: jax.Array) -> Batch:
    """Distorts a batch as the config says."""
    return augment(
      raw,
      rng,
      template_size=self.tracker.template_size,
      search_size=self.tracker.search_size,
      template=self.template,
      search=self.search,
      grey=self.grey,
    )

  def optimizer_of(
    self, phase: Phase, params: Any
  ) -> optax.GradientTransformation:
    """The optimizer of a phase, for parameters or their shapes."""
    return optimizers.make(params, phase.rates, **self.optimizer)

  def initial_state(self, phase: Phase) -> TrainState:
    """The state that a run begins with, in the form that `phase` needs."""
    variables = self.tracker.init(jax.random.key(self.seed))
    return state.create(
      variables, self.optimizer_of(phase, variables['params'])
    )

  def enter(self, phase: Phase, before: TrainState) -> TrainState:
    """The state with the momentum begun anew, for another phase."""
    fresh = self.optimizer_of(phase, before.params).init(before.params)
    return before.replace(opt_state=fresh)

  def step_function(self, phase: Phase, params: Any) -> StepFunction:
    """The train step of a phase, to be compiled."""
    return functools.partial(
      train_step,
      tracker=self.tracker,
      augment=self.augment,
      optimizer=self.optimizer_of(phase, params),
      rate=jnp.asarray(self.rate, jnp.float32),
      steps_per_epoch=self.steps_per_epoch,
      mode=phase.mode,
      seed=self.seed,
    )


def make_plan(config: Mapping[str, Any]) -> Plan:
  """The plan of a config, as plain mappings.

  Raises:
    ValueError: A number is out of its range, or a name is unknown.
  """
  train, ranges = config['train'], config['augment']
  steps_per_epoch = train['pairs_per_epoch'] // train['batch_size']
  if steps_per_epoch < 1:
    raise ValueError(
      f'train.pairs_per_epoch={train["pairs_per_epoch"]} is less than one '
      f'batch of {train["batch_size"]}'
    )
  return Plan(
    tracker=trackers.make(**config['tracker']),
    batch_size=train['batch_size'],
    steps_per_epoch=steps_per_epoch,
    rate=schedule.rate_per_epoch(train['epochs'], **config['schedule']),
    phases=schedule.make_phases(config['phases']),
    template=Ranges(**ranges['template']),
    search=Ranges(**ranges['search']),
    grey=ranges['grey'],
    optimizer=config['optimizer'],
    seed=train['seed'],
  )
