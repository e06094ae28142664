"""A state dict of someone else's into the variables of a tracker of ours."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from acm_jax import trackers
from acm_jax.tracking.contract import Variables
from acm_jax.weights import imagenet, nanotrack, state_dict
from acm_jax.weights.names import as_in_got10k, naming

StateDict = Mapping[str, np.ndarray]
_BACKBONE = 'backbone'


@dataclasses.dataclass(frozen=True)
class Model:
  """A whole tracker of the official code.

  Attributes:
    tracker: Our name of it.
    adapt: Makes its state dict one with the keys that `names` knows.
    unused: Beginnings of keys that the official code never computes with.
  """

  tracker: str
  adapt: Callable[[StateDict], StateDict] = dict
  unused: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Backbone:
  """A backbone alone.

  Attributes:
    backbones: Our names of those it can be.
    adapt: Makes its state dict one of pysot's backbone.
  """

  backbones: tuple[str, ...]
  adapt: Callable[[StateDict], StateDict]


SOURCES = {
  'siamfc': Model('siamfc', as_in_got10k),
  'siamrpn': Model('siamrpn'),
  'siamban': Model('siamban'),
  'siamban_acm': Model('siamban'),
  'nanotrack': Model('nanotrack', nanotrack.version_3, ('neck.',)),
  'resnet': Backbone(('resnet18', 'resnet34', 'resnet50'), imagenet.resnet),
  'mobilenet': Backbone(('mobilenet_v2',), imagenet.mobilenet_v2),
}


def convert(
  source: str, weights: StateDict, section: Mapping[str, Any]
) -> tuple[Variables, tuple[str, ...]]:
  """Variables of a tracker, all of them or its backbone's.

  Args:
    source: One of `SOURCES`.
    weights: Arrays by key.
    section: The config's section `tracker`.

  Returns:
    The variables, and the modules that were left out: layers of a classifier
    that the backbone does not have, and what the official code has without
    use.

  Raises:
    ValueError: The weights do not fit; every misfit is named.
  """
  kind = SOURCES[source]
  tracker = trackers.make(**section)
  variables = jax.eval_shape(tracker.init_variables, jax.random.key(0))
  name = naming(section['name'], section[_BACKBONE], section['levels'])
  if isinstance(kind, Model):
    _expect(source, 'tracker.name', (kind.tracker,), section['name'])
    weights = kind.adapt(weights)
    left = {key for key in weights if key.startswith(kind.unused)}
    used = {key: weights[key] for key in weights.keys() - left}
    return state_dict.to_variables(used, variables, name), _modules(left)
  _expect(source, 'tracker.backbone', kind.backbones, section[_BACKBONE])
  weights = {
    f'{_BACKBONE}.{key.removeprefix("backbone.")}': value
    for key, value in kind.adapt(weights).items()
    if not key.endswith('num_batches_tracked')
  }
  variables = {
    collection: {_BACKBONE: tree[_BACKBONE]}
    for collection, tree in variables.items()
  }
  known = state_dict.keys(variables, name)
  used = {key: value for key, value in weights.items() if key in known}
  filled = state_dict.to_variables(used, variables, name)
  return filled, _modules(set(weights) - known)


def _modules(keys: set[str]) -> tuple[str, ...]:
  """Names two deep: `backbone.layer6` of `backbone.layer6.0.conv.0.weight`."""
  return tuple(sorted({'.'.join(key.split('.')[:2]) for key in keys}))


def _expect(source: str, key: str, wanted: tuple[str, ...], found: str) -> None:
  if found not in wanted:
    raise ValueError(
      f'--source {source} gives a {" or ".join(wanted)}, but {key} of the '
      f'config is {found}'
    )
