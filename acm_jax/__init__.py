"""Siamese visual object tracking with asymmetric convolution, in JAX.

tracker = acm_jax.load('runs/siamban_acm')
tracker.init(image, (120, 80, 60, 40))
box = tracker.update(image).box
"""

import importlib
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
  from acm_jax import adapters
  from acm_jax.tracking.model import Model
  from acm_jax.tracking.video_tracker import Result, VideoTracker

__all__ = ['Model', 'Result', 'VideoTracker', 'adapters', 'load']

# Imported when asked for, so that what needs no JAX does not wait for it.
_HOMES = {
  'Model': 'acm_jax.tracking.model',
  'Result': 'acm_jax.tracking.video_tracker',
  'VideoTracker': 'acm_jax.tracking.video_tracker',
}


def load(
  place: 'str | os.PathLike[str]',
  *,
  hparams: 'Mapping[str, float] | str | None' = None,
  wide_search: str | None = None,
) -> 'VideoTracker':
  """Loads a trained tracker, ready to track.

  Args:
    place: Folder of a training run or of a conversion; FOLDER@STEP for one
      checkpoint of it, FOLDER@best for the best that was validated.
    hparams: Changes of its hyper-parameters, as `{'penalty_k': 0.1}` or
      `'penalty_k=0.1,size_lr=0.4'`, or the name of values in the section
      `tuned` of its config.
    wide_search: When a larger region is searched: `never`, `long_term` or
      `fast_motion`; as the config says by default.

  Raises:
    OSError: The folder is not there.
    ValueError: It holds no tracker or no such checkpoint, or a hyper-parameter
      is unknown.
  """
  from acm_jax.tracking.video_tracker import VideoTracker
  from acm_jax.training import trained

  return VideoTracker(trained.load(str(place), hparams, wide_search))


def __getattr__(name: str) -> Any:
  if name == 'adapters':
    return importlib.import_module('acm_jax.adapters')
  if name not in _HOMES:
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
  return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
  return __all__
