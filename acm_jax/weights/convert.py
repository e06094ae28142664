"""Conversion of state dicts of other codebases to variables of a tracker."""

import dataclasses
from collections.abc import Callable, Mapping, Set
from typing import Any

import numpy as np

from acm_jax import trackers
from acm_jax.tracking.contract import Variables
from acm_jax.weights import imagenet, nanotrack, state_dict, wrappers
from acm_jax.weights.names import as_in_got10k, naming

StateDict = Mapping[str, np.ndarray]
_BACKBONE = 'backbone'


@dataclasses.dataclass(frozen=True)
class Model:
  """Source of the weights of a whole tracker, not only of its backbone.

  Attributes:
    tracker: Name of the tracker in `acm_jax.trackers`.
    adapt: Function that checks a state dict, or renames its keys to those of
      the official code.
    unused: Prefixes of keys that the official network never uses.
  """

  tracker: str
  adapt: Callable[[StateDict], StateDict] = dict
  unused: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Backbone:
  """Source of the weights of a backbone, without the rest of a tracker.

  Attributes:
    backbones: Names of the backbones, as in `acm_jax.modules`.
    adapt: Function that converts a state dict to the keys and values of the
      official code's backbone.
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
  'mobilenet_v3': Backbone(('mobilenet_v3_small',), imagenet.mobilenet_v3),
}


def convert(
  source: str, weights: StateDict, section: Mapping[str, Any]
) -> tuple[Variables, tuple[str, ...]]:
  """Converts a state dict to the variables of a tracker or of a backbone.

  Args:
    source: Codebase of the weights, a key of `SOURCES`.
    weights: State dict, a mapping from keys to arrays.
    section: Section `tracker` of the config.

  Returns:
    The variables, and the names of the modules in the state dict whose weights
    are ignored: modules that the official network never uses, or that only the
    classifier around a backbone has.

  Raises:
    ValueError: `source` does not provide weights of the config's tracker or
      backbone; or the state dict has missing keys, unknown keys or arrays of
      the wrong shape, the first of which the message lists.
  """
  kind = SOURCES[source]
  tracker = trackers.make(**section)
  variables = trackers.shapes(tracker)
  name = naming(section['name'], section[_BACKBONE], section['levels'])
  if isinstance(kind, Model):
    _expect(source, 'tracker.name', (kind.tracker,), section['name'])
    known = state_dict.keys(variables, name)
    weights = wrappers.fitting(weights, kind.adapt, known)
    unused = {key for key in weights if key.startswith(kind.unused)}
    used = {key: weights[key] for key in weights.keys() - unused}
    filled = state_dict.to_variables(used, variables, name)
    return filled, _modules(unused, used.keys())
  _expect(source, 'tracker.backbone', kind.backbones, section[_BACKBONE])
  variables = {
    collection: {_BACKBONE: tree[_BACKBONE]}
    for collection, tree in variables.items()
  }
  known = state_dict.keys(variables, name)

  def adapt(weights: StateDict) -> StateDict:
    adapted = kind.adapt(weights).items()
    return {f'{_BACKBONE}.{key}': value for key, value in adapted}

  weights = wrappers.fitting(weights, adapt, known)
  used = {key: value for key, value in weights.items() if key in known}
  filled = state_dict.to_variables(used, variables, name)
  modules = _modules(set(weights) - known, known)
  return filled, tuple(x.removeprefix(f'{_BACKBONE}.') for x in modules)


def _modules(unused: Set[str], used: Set[str]) -> tuple[str, ...]:
  """Returns the largest modules without a key in use, such as `ban_head`.

  Counters of training steps are left out.
  """

  def outer(key: str) -> list[str]:
    parts = key.split('.')
    return ['.'.join(parts[:end]) for end in range(2, len(parts) + 1)]

  occupied = {module for key in used for module in outer(key)}
  found = set()
  for key in unused:
    if not key.endswith(state_dict.COUNTERS):
      found.add(next(name for name in outer(key) if name not in occupied))
  return tuple(sorted(found))


def _expect(source: str, key: str, wanted: tuple[str, ...], value: str) -> None:
  """Checks that a codebase provides what the config requires."""
  if value not in wanted:
    raise ValueError(
      f'`source`={source}: provides weights of {" or ".join(wanted)}, but '
      f'{key} of the config is {value}; choose another source or config'
    )
