"""A trained tracker for the toolkit of the VOT challenge.

Writes the trackers.ini of a workspace, by which the toolkit makes a `Tracker`
in a process of its own. Needs the extra `vot`.

Example:
  python -m acm_jax.vot --checkpoint runs/siamban_acm --out workspace
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from acm_jax import model_flags
from acm_jax.datasets.sequences import read_frame
from acm_jax.host import command
from acm_jax.host.staging import replacing
from acm_jax.tracking.video_tracker import VideoTracker
from acm_jax.training import trained

# Compiling and the first frame take longer than the toolkit's 30 seconds.
_TIMEOUT = 600


class Tracker:
  """What the toolkit calls, in its python protocol."""

  def __init__(
    self,
    checkpoint: str,
    hparams: str | None = None,
    wide_search: str | None = None,
  ):
    """Loads a checkpoint; raises as `trained.load`."""
    model = trained.load(checkpoint, hparams, wide_search)
    self._tracker = VideoTracker(model)

  def init(self, image: str, given: tuple) -> tuple[float, ...]:
    """Starts from a box in an image; gives it back.

    Args:
      image: Path of the image.
      given: The box x, y, w, h, px, 0-based, and what else is said of it.

    Raises:
      OSError: There is no such image.
      ValueError: It cannot be decoded, or the box cannot be tracked.
    """
    self._tracker.init(read_frame(Path(image)), given[0])
    return tuple(map(float, given[0]))

  def update(
    self, image: str, new: Sequence = ()
  ) -> tuple[tuple[float, ...], dict[str, float]]:
    """Finds the target in the next image.

    Args:
      image: Path of the image.
      new: Further targets, of which the toolkit gives a single-target tracker
        none.

    Returns:
      The box x, y, w, h, and the score, from 0 to 1, as `confidence`, by which
      the toolkit's long-term experiments rate.
    """
    del new
    result = self._tracker.update(read_frame(Path(image)))
    box = tuple(map(float, result.box))
    return box, {'confidence': float(result.score)}


def registry(checkpoint: str, name: str, changes: dict[str, str]) -> str:
  """The text of a trackers.ini.

  Args:
    checkpoint: As the flag.
    name: The tracker's.
    changes: Other arguments of `Tracker`.
  """
  folder, _, step = checkpoint.partition('@')
  place = str(Path(folder).resolve()) + (f'@{step}' if step else '')
  entries = {
    'label': name,
    'protocol': 'python',
    'command': 'acm_jax.vot:Tracker',
    'convert': 'rectangle',
    'timeout': _TIMEOUT,
    'arg_checkpoint': place,
    **{f'arg_{key}': value for key, value in changes.items()},
  }
  lines = [f'{key} = {value}' for key, value in entries.items()]
  return '\n'.join([f'[{name}]', *lines, ''])


def define(values: flags.FlagValues) -> None:
  """Defines the command's flags on `values`."""
  model_flags.define(values)
  flags.DEFINE_string(
    'out', None, 'Folder of the workspace.', required=True, flag_values=values
  )


def main(values: flags.FlagValues) -> None:
  """Writes the registry."""
  changes = {
    name: values[name].value
    for name in ('hparams', 'wide_search')
    if values[name].value
  }
  name = model_flags.load(values).name
  path = Path(values.out) / 'trackers.ini'
  if path.exists():
    raise ValueError(f'{path} is there already: remove it or name another')
  path.parent.mkdir(parents=True, exist_ok=True)
  with replacing(path) as temporary:
    temporary.write_text(registry(values.checkpoint, name, changes))
  print(f'{name} in {path}')


if __name__ == '__main__':
  sys.exit(command.run(define, main, __doc__))
