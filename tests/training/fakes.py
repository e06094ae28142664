"""Fake tracker that compiles in a second, with its plan and its data."""

import dataclasses
import os
import signal
from collections.abc import Iterator

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from acm_jax.modules.mode import EVAL
from acm_jax.tracking.contract import Tracker
from acm_jax.training import plan as plans
from acm_jax.training import sharding
from acm_jax.training.checkpoints import CRITERION
from acm_jax.training.run import run
from acm_jax.training.validation import Validator
from data_pipelines import batch

PLAN = {
  'tracker': {'name': 'fake'},
  'hparams': {'penalty_k': 0.1, 'window_influence': 0.4, 'size_lr': 0.4},
  'precision': 'default',
  'sets': {'synthetic': {'weight': 1.0, 'gap': 5}},
  'data': {'source': 'memory', 'negative': 0.2},
  'augment': {
    'template': {'shift': 2.0, 'scale': 0.05},
    'search': {'shift': 4.0, 'scale': 0.1},
    'grey': 0.1,
  },
  'optimizer': {'momentum': 0.9, 'weight_decay': 1e-4, 'clip_norm': 10.0},
  'schedule': {
    'warmup_epochs': 1,
    'first_rate': 1e-3,
    'peak_rate': 5e-3,
    'last_rate': 1e-3,
  },
  'phases': {
    'frozen': {
      'from_epoch': 0,
      'rates': (('backbone/', 0.0), ('', 1.0)),
    },
    'unfrozen': {
      'from_epoch': 3,
      'rates': (('backbone/', 0.1), ('', 1.0)),
    },
  },
  'train': {'epochs': 4, 'pairs_per_epoch': 16, 'batch_size': 8, 'seed': 0},
  'log': {'every': 1},
  'checkpoints': {'every': 100, 'keep': 2},
}


class Stage(nn.Module):
  """Convolution and batch norm."""

  features: int

  @nn.compact
  def __call__(self, x, *, train):
    x = nn.Conv(self.features, (4, 4), 4)(x)
    return nn.relu(nn.BatchNorm()(x, use_running_average=not train))


class FakeNetwork(nn.Module):
  """Network that correlates mean features and predicts a map and a mask."""

  features: int = 6
  dropout: float = 0.0

  def setup(self):
    self.backbone = Stage(4)
    self.head = Stage(self.features)
    self.drop = nn.Dropout(self.dropout)

  def __call__(self, template, box_size, search, *, mode=EVAL):
    def features(image):
      x = self.backbone(image / 255, train=mode.trains(('backbone',)))
      return self.head(x, train=mode.trains(('head',)))

    kernel = jnp.mean(features(template), axis=(1, 2), keepdims=True)
    response = features(search) * kernel
    response = self.drop(response, deterministic=not mode.trains(('head',)))
    return {'map': response[..., :2], 'mask': response[..., 2:]}


@dataclasses.dataclass(frozen=True)
class FakeTracker(Tracker):
  """Tracker that predicts a map and a mask; `traces` grows with every trace."""

  network: nn.Module = dataclasses.field(default_factory=FakeNetwork)
  template_size: int = 16
  search_size: int = 32
  traces: list = dataclasses.field(default_factory=list, hash=False)

  def preprocess(self, rgb):
    return rgb

  def targets(self, batch, rng):
    shape = (batch.positive.shape[0], 2, 2, 4)
    return jnp.broadcast_to(batch.search_box[:, None, None] / 50, shape)

  def loss(self, outputs, targets):
    self.traces.append(outputs['map'].shape)
    parts = {
      'map': jnp.mean((outputs['map'] - 1) ** 2),
      'mask': jnp.mean((outputs['mask'] - targets) ** 2),
    }
    return parts['map'] + parts['mask'], parts

  def imitation(self, outputs, teacher, positive, *, cls):
    part = jnp.mean((outputs['map'] - teacher['map']) ** 2)
    return cls * part, {'cls': part}

  def label_map(self, targets):
    return jnp.ones(targets.shape[:3], int)

  def score_map(self, outputs):
    raise NotImplementedError

  def select(self, outputs, state, hparams, scale):
    raise NotImplementedError


def make_plan(config=PLAN, tracker: Tracker | None = None) -> plans.Plan:
  """Makes a plan without augmentation, which takes longest to compile."""
  plan = plans.make_plan(config, tracker or FakeTracker())
  return dataclasses.replace(plan, distortion=None)


class FakeValidator(Validator):
  """Fake validator that returns given overlaps, one after the other.

  Attributes:
    measured: Variables that were measured, in order.
  """

  def __init__(self, *overlaps: float):
    self._overlaps = iter(overlaps)
    self.measured = []

  def measure(self, variables):
    self.measured.append(jax.device_get(variables))
    return {CRITERION: next(self._overlaps)}


def one_device() -> jax.sharding.Mesh:
  """Makes a mesh of one of the tests' eight devices."""
  return sharding.make_mesh(devices=jax.devices()[:1])


@dataclasses.dataclass
class Batches:
  """Fake pipeline whose batch k depends only on k.

  Attributes:
    kill_after: Number of batches after which the process gets a signal
      (default: never).
    signal: The signal.
    broken: Indices of the batches whose boxes are not finite.
    lost: Index of a batch that cannot be read (default: none).
  """

  kill_after: int | None = None
  signal: int = signal.SIGTERM
  broken: range = range(0)
  lost: int | None = None

  def of(self, plan: plans.Plan):
    """Returns the function that `run` calls for batches from a step on."""
    return lambda first_step: self._from(plan, first_step)

  def _from(self, plan: plans.Plan, step: int) -> Iterator[batch.RawBatch]:
    part = plan.train.batch_size // jax.process_count()
    first = jax.process_index() * part
    while True:
      if step == self.lost:
        raise ValueError(f'batch {step} is damaged')
      raw = batch.fake(plan.train.batch_size, *plan.crop_sides.values(), step)
      if step in self.broken:
        raw = raw._replace(search_box=np.full_like(raw.search_box, np.nan))
      step += 1
      if step == self.kill_after:
        os.kill(os.getpid(), self.signal)
      yield batch.RawBatch(*(field[first : first + part] for field in raw))


def train(config, folder, *, batches=None, tracker=None, teacher=None, **more):
  """Trains on one device, which compiles fastest.

  Args:
    config: Sections of the config, such as `PLAN`.
    folder: Folder of the run.
    batches: Batches to train on (default: none of them broken).
    tracker: Tracker to train (default: a `FakeTracker`).
    teacher: Teacher of the tracker, if any.
    **more: Further arguments of `run`.
  """
  plan = make_plan(config, tracker)
  plan = dataclasses.replace(plan, teacher=teacher)
  batches = (batches or Batches()).of(plan)
  run(plan, config, folder, batches, one_device(), **more)
