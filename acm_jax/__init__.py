"""Siamese visual object tracking with asymmetric convolution, in JAX.

Example:
  tracker = acm_jax.load()
  tracker.init(first_image, (120, 80, 60, 40))  # Box x, y, w, h, px.
  box = tracker.update(next_image).box
"""

import importlib
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
  from ml_collections import ConfigDict

  from acm_jax import adapters
  from acm_jax.tracking.model import Model
  from acm_jax.tracking.result import Result
  from acm_jax.tracking.video_tracker import VideoTracker

# The build reads the version from here.
__version__ = '0.1.0'

__all__ = [
  'Model',
  'Result',
  'VideoTracker',
  'adapters',
  'load',
  'load_config',
]

# Modules are imported on first access, so that code that needs no JAX starts
# fast.
_MODULES = {
  'Model': 'acm_jax.tracking.model',
  'Result': 'acm_jax.tracking.result',
  'VideoTracker': 'acm_jax.tracking.video_tracker',
}


def load(
  checkpoint: 'str | os.PathLike[str]' = 'small',
  *,
  hparams: 'Mapping[str, float] | str | None' = None,
  wide_search: str | None = None,
  smallest_side: float | None = None,
) -> 'VideoTracker':
  """Loads a trained tracker.

  From then on, compiled programs of the process are kept on disk, in the user's
  cache folder, unless JAX's compilation cache is configured otherwise.

  Args:
    checkpoint: Name of a model in the package, or folder of a model or of a
      training run. For a training run, `FOLDER` loads the newest checkpoint,
      `FOLDER@STEP` the checkpoint of a step, and `FOLDER@best` the checkpoint
      with the best validation result.
    hparams: Hyper-parameters to change, as `{'penalty_k': 0.1}` or
      `'penalty_k=0.1,size_lr=0.4'`; or the name of an entry in the config's
      section `tuned`.
    wide_search: When to search a larger region: 'never', 'long_term' (while the
      target is lost) or 'fast_motion' (after the target has jumped). By
      default, the value in the config.
    smallest_side: Lower limit of the width and height of tracked boxes, px. By
      default, the value in the config.

  Raises:
    OSError: There is no such model or folder, or the folder has no checkpoint.
    ValueError: The selected checkpoint does not exist, is damaged or is not
      that of a whole tracker; or another argument is invalid.
  """
  from acm_jax.tracking import programs
  from acm_jax.tracking.video_tracker import VideoTracker
  from acm_jax.training import trained

  programs.keep_programs()
  model = trained.load(str(checkpoint), hparams, wide_search, smallest_side)
  return VideoTracker(model)


def load_config(config: str) -> 'ConfigDict':
  """Loads a config for `acm_jax.training.train.train`.

  Values of the result can be changed, but no keys can be added.

  Args:
    config: Name of a config that comes with the package, or path of a file;
      then optionally a colon and the config's argument, as in
      'siamban_acm:quickstart'.

  Raises:
    FileNotFoundError: The file does not exist or is not a config.
    ValueError: The config does not know the argument.
  """
  from ml_collections import ConfigDict

  from acm_jax.host import config_files

  return ConfigDict(config_files.load(config)).lock()


def __getattr__(name: str) -> Any:
  if name == 'adapters':
    return importlib.import_module('acm_jax.adapters')
  if name not in _MODULES:
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
  return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
  return __all__
