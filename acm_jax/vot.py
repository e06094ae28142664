"""Registers a trained tracker with the toolkit of the VOT challenge.

Writes trackers.ini into a VOT workspace. The toolkit reads this file and runs
the tracker in a separate process. Needs `pip install "acm-jax[vot]"`.

Example:
  acm-jax vot --checkpoint runs/siamban_acm --out workspace
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from absl import flags

from acm_jax import model_flags, models
from acm_jax.datasets.image_files import Reader
from acm_jax.host import command, names, text_files
from acm_jax.host.staging import replacing
from acm_jax.tracking import programs
from acm_jax.tracking.video_tracker import VideoTracker
from acm_jax.training import trained

# Timeout, seconds. The toolkit's default of 30 is too short for compilation.
_TIMEOUT = 600


class Tracker:
  """Tracker with the interface of the toolkit's `python` protocol."""

  def __init__(
    self,
    checkpoint: str,
    hparams: str | None = None,
    wide_search: str | None = None,
    smallest_side: str | None = None,
  ):
    """Loads a trained tracker.

    Args:
      checkpoint: Model or training run, as in `trained.read`.
      hparams: Hyper-parameters to change, as NAME=VALUE,NAME=VALUE, or the name
        of an entry in the config's section `tuned`.
      wide_search: When to search a larger region: 'never', 'long_term' (while
        the target is lost) or 'fast_motion' (after the target has jumped). By
        default, the value in the config.
      smallest_side: Lower limit of the width and height of tracked boxes, px,
        as text, like all values in trackers.ini. By default, the value in the
        config.

    Raises:
      OSError: The folder does not exist or has no checkpoint.
      ValueError: The checkpoint does not exist, is damaged or does not belong
        to a tracker, or an argument is invalid.
    """
    side = None if smallest_side is None else float(smallest_side)
    programs.reuse_memory()
    programs.keep_programs()
    model = trained.load(checkpoint, hparams, wide_search, side)
    self._tracker = VideoTracker(model)

  def init(self, image: str, target: tuple) -> tuple[float, ...]:
    """Starts tracking a target, and returns its box.

    Args:
      image: Path of the image.
      target: Pair of the box x, y, w, h, px, 0-based, and a dict of properties,
        which is not used.

    Raises:
      OSError: The image does not exist.
      ValueError: The image cannot be decoded, or the box cannot be tracked.
    """
    box, _ = target
    self._read = Reader(Path(image))
    self._tracker.init(self._read(Path(image)), box)
    return tuple(map(float, box))

  def update(
    self, image: str, new: Sequence = ()
  ) -> tuple[tuple[float, ...], dict[str, float]]:
    """Finds the target in the next image.

    Args:
      image: Path of the image.
      new: Additional targets; always empty for a single-target tracker.

    Returns:
      The box x, y, w, h, px, 0-based; and a dict with the score, from 0 to 1,
      under the key `confidence`, for the toolkit's long-term experiments.
    """
    del new
    result = self._tracker.update(self._read(Path(image)))
    box = tuple(map(float, result.box))
    return box, {'confidence': float(result.score)}


def registry(checkpoint: str, name: str, changes: Mapping[str, Any]) -> str:
  """Returns the text of a trackers.ini.

  Args:
    checkpoint: Value of the flag `--checkpoint`.
    name: Name of the tracker.
    changes: Names of other arguments of `Tracker`, and their values.
  """
  folder, _, step = checkpoint.partition('@')
  model = names.find(folder, models.names())
  if model is None or Path(folder).is_dir():
    model = Path(folder).resolve()
  location = f'{model}@{step}' if step else str(model)
  entries = {
    'label': name,
    'protocol': 'python',
    'command': 'acm_jax.vot:Tracker',
    'convert': 'rectangle',
    'timeout': _TIMEOUT,
    'arg_checkpoint': location,
    **{f'arg_{key}': value for key, value in changes.items()},
  }
  lines = [f'{key} = {value}' for key, value in entries.items()]
  return '\n'.join([f'[{name}]', *lines, ''])


def define(values: flags.FlagValues) -> None:
  """Defines the command's flags on `values`."""
  model_flags.define(values)
  flags.DEFINE_string(
    'out', None, 'VOT workspace folder.', required=True, flag_values=values
  )


def main(values: flags.FlagValues) -> None:
  """Writes trackers.ini."""
  name = model_flags.load(values).name
  path = Path(values.out) / 'trackers.ini'
  if path.exists():
    raise ValueError(
      f'{path}: already exists; remove the file or choose another `out`'
    )
  path.parent.mkdir(parents=True, exist_ok=True)
  with replacing(path) as temporary:
    changes = model_flags.changes(values)
    text_files.write(temporary, registry(values.checkpoint, name, changes))
  print(f'{name} registered in {path}')


if __name__ == '__main__':
  sys.exit(command.run(define, main, __doc__))
