"""A tracker that compiles in a second, and its data."""

import dataclasses
import os
import signal

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from acm_jax.modules.mode import EVAL
from acm_jax.tracking.contract import Outputs, Targets, Tracker
from acm_jax.training.checkpoints import CRITERION
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
  """Correlates means of features."""

  features: int = 6

  def setup(self):
    self.backbone = Stage(4)
    self.head = Stage(self.features)

  def __call__(self, template, box_size, search, *, mode=EVAL):
    def features(image):
      x = self.backbone(image / 255, train=mode.trains(('backbone',)))
      return self.head(x, train=mode.trains(('head',)))

    kernel = jnp.mean(features(template), axis=(1, 2), keepdims=True)
    response = features(search) * kernel
    return Outputs(cls=response[..., :2], loc=response[..., 2:])


@dataclasses.dataclass(frozen=True)
class FakeTracker(Tracker):
  """Box size to response; `traces` grows by one whenever it is compiled."""

  network: nn.Module = dataclasses.field(default_factory=FakeNetwork)
  template_size: int = 16
  search_size: int = 32
  traces: list = dataclasses.field(default_factory=list, hash=False)

  def preprocess(self, rgb):
    return rgb

  def targets(self, batch, rng):
    ones = jnp.ones((batch.positive.shape[0], 2, 2))
    loc = jnp.ones((*ones.shape, 4)) * batch.search_box[:, None, None] / 50
    return Targets(ones.astype(int), loc, ones, ones)

  def loss(self, outputs, targets):
    self.traces.append(outputs.cls.shape)
    cls = jnp.mean((outputs.cls - 1) ** 2)
    loc = jnp.mean((outputs.loc - targets.loc) ** 2)
    return cls + loc, {'cls': cls, 'loc': loc}

  def imitation(self, outputs, teacher, positive, *, cls):
    part = jnp.mean((outputs.cls - teacher.cls) ** 2)
    return cls * part, {'cls': part}

  def decode(self, outputs):
    raise NotImplementedError

  def select(self, outputs, state, hparams):
    raise NotImplementedError


class FakeValidator(Validator):
  """Stands in for tracking: gives one overlap after the other.

  Attributes:
    measured: What it was given.
  """

  def __init__(self, *overlaps: float):
    self._overlaps = iter(overlaps)
    self.measured = []

  def measure(self, variables):
    self.measured.append(jax.device_get(variables))
    return {CRITERION: next(self._overlaps)}


def one_device() -> jax.sharding.Mesh:
  """The mesh of one of the tests' eight devices."""
  return jax.make_mesh(
    (1,),
    ('data',),
    axis_types=(jax.sharding.AxisType.Auto,),
    devices=jax.devices()[:1],
  )


class Source:
  """Stands in for the pipeline: batch k is a function of k.

  Attributes:
    kill_after: Number of batches after which the process gets a SIGTERM.
    broken: Batches that hold a box which is not finite.
  """

  kill_after: int | None = None
  broken: range = range(0)

  def __call__(
    self,
    sets,
    *,
    batch_size,
    template_room,
    search_room,
    first_step,
    process_index,
    process_count,
    **_,
  ):
    part = batch_size // process_count
    own = slice(process_index * part, (process_index + 1) * part)
    step = first_step
    while True:
      raw = batch.fake(batch_size, template_room, search_room, step)
      if step in self.broken:
        raw = raw._replace(search_box=np.full_like(raw.search_box, np.nan))
      step += 1
      if step == self.kill_after:
        os.kill(os.getpid(), signal.SIGTERM)
      yield batch.RawBatch(*(field[own] for field in raw))
