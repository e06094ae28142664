"""Writes the sequences of a composed set as a benchmark with exact boxes.

The frames show what the camera sees, at the scale of the photographs. They are
written in the layout `folder`. A box includes the hidden parts of the target,
which is always in the picture.

Example:
  acm-jax composed --photographs COCO --only held_out.txt --sequences 300 \\
    --out held_out
  acm-jax rendered --set held_out --out sequences
"""

import sys
from pathlib import Path

import numpy as np
from absl import flags

from acm_jax.datasets.sources import folder as folder_source
from acm_jax.host import command
from acm_jax.host.progress import Progress
from acm_jax.host.staging import naming, staged
from data_pipelines.composed.composed_set import ComposedSet


def write(out: Path, composed: Path) -> int:
  """Writes the sequences of a composed set in the layout `folder`.

  Args:
    out: Output folder, which appears only when it is complete; must not exist.
    composed: Folder of the composed set.

  Returns:
    The number of sequences.

  Raises:
    FileNotFoundError: The composed set or a file in it is missing.
    OSError: A file cannot be written.
    ValueError: `out` exists, or the set is damaged.
  """
  sequences = ComposedSet(composed)
  names = sequences.track_name
  with staged(out) as folder, Progress(out.name, len(names), 'videos') as shown:
    for track, name in enumerate(names):
      jpegs, box_xywh = sequences.video(track)
      (folder / name / 'img').mkdir(parents=True)
      for number, jpeg in enumerate(jpegs, 1):
        path = folder_source.image_path(folder / name, number)
        with naming(path):
          path.write_bytes(jpeg)
      absent = np.zeros(len(box_xywh), bool)
      folder_source.write_boxes(folder / name, box_xywh, absent)
      shown.update(track + 1)
  return len(names)


def define(values: flags.FlagValues) -> None:
  """Defines the command's flags on `values`."""
  for name, text in (
    ('set', 'Folder of the composed set.'),
    ('out', 'Output folder.'),
  ):
    flags.DEFINE_string(name, None, text, required=True, flag_values=values)


def main(values: flags.FlagValues) -> None:
  """Writes the sequences and prints a summary."""
  count = write(Path(values.out), Path(values.set))
  print(f'{count} sequences in {values.out}')


if __name__ == '__main__':
  sys.exit(command.run(define, main, __doc__))
