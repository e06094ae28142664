"""Writes sequences to train on from videos and exported annotations.

--boxes is a file that CVAT ("CVAT for video 1.1"), or a tool that writes COCO
or MOT, has exported for --video, or the boxes.csv of `acm-jax track`. Every
target becomes a sequence. The sequences in --out have the layout `folder`,
which `acm-jax train --config finetune` and `acm-jax prepare --dataset folder`
read. Both flags may be repeated, once for each video.

Example:
  acm-jax annotated --video clip.mp4 --boxes annotations.xml --out SEQUENCES
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from absl import flags

from acm_jax.datasets import addresses, exports
from acm_jax.datasets.exports.target import Boxes
from acm_jax.datasets.sources import folder
from acm_jax.datasets.videos import Video, open_video
from acm_jax.host import command
from acm_jax.host.progress import Progress
from acm_jax.host.staging import staged


def define(values: flags.FlagValues) -> None:
  """Defines the command's flags on `values`."""
  required = {'required': True, 'flag_values': values}
  video = 'Video file, folder or names of images.'
  flags.DEFINE_multi_string('video', None, video, **required)
  boxes = (
    'File of annotations: XML of CVAT, JSON of COCO, gt.txt of MOT, a zip file '
    'with one of them, or boxes.csv of track; give one file for each --video.'
  )
  flags.DEFINE_multi_string('boxes', None, boxes, **required)
  out = 'Output folder; must not exist yet.'
  flags.DEFINE_string('out', None, out, **required)


def main(values: flags.FlagValues) -> None:
  """Writes the sequences."""
  if len(values.boxes) != len(values.video):
    raise ValueError(
      f'{len(values.boxes)} files of boxes for {len(values.video)} videos: '
      'give one for each video'
    )
  out = Path(values.out)
  with staged(out) as partial:
    counts = [
      write(source, Path(boxes), partial)
      for source, boxes in zip(values.video, values.boxes, strict=True)
    ]
  print(f'{sum(counts)} sequences of {len(counts)} videos in {out}')


def write(source: str, boxes: Path, out: Path) -> int:
  """Writes a sequence for each target of a video.

  A sequence is called VIDEO.NUMBER: the name of the video, by which training
  holds out all targets of a video together, and the index of the target. It
  begins with the first frame and ends with the last frame in which the target
  has a box. Frames between them without a box are marked as absent.

  Args:
    source: Video, as for `open_video`.
    boxes: Exported annotations; see `exports`.
    out: Existing folder to write to.

  Returns:
    The number of sequences.

  Raises:
    OSError: A file does not exist or cannot be written.
    ValueError: The annotations are malformed or do not belong to the video, or
      another video has the same name.
  """
  video, shown = open_video(source), addresses.shown(source)
  if video.live:
    raise ValueError(
      f'{shown}: a camera or a stream has no annotations; give a video file or '
      'a folder of images'
    )
  targets = [each.boxes for each in exports.read(boxes, video.files)]
  sequences = [out / f'{video.name}.{n:03d}' for n in range(len(targets))]
  for sequence in sequences:
    if sequence.exists():
      raise ValueError(
        f'{shown}: another video is called {video.name} too; rename one'
      )
    (sequence / 'img').mkdir(parents=True)
  numbers = _write_images(video, targets, sequences)
  for target, sequence, own in zip(targets, sequences, numbers, strict=True):
    # The last annotated frame may not be the last frame that can be decoded.
    if not own or own[-1] != max(target):
      raise ValueError(
        f'{boxes}: has a box for frame {max(target)}, counted from 0, which '
        f'{shown} does not have or which cannot be decoded; give the video '
        'that was annotated'
      )
    absent = np.array([number not in target for number in own])
    nothing = (np.nan,) * 4
    rows = np.array([target.get(number, nothing) for number in own])
    folder.write_boxes(sequence, rows, absent)
  return len(targets)


def _write_images(
  video: Video, targets: Sequence[Boxes], sequences: Sequence[Path]
) -> list[list[int]]:
  """Writes the images of all sequences; returns the numbers of their frames."""
  numbers: list[list[int]] = [[] for _ in targets]
  last = max(map(max, targets))
  with Progress(video.name, last + 1, 'frames') as shown:
    for frame in video.frames:
      written: dict[str, Path] = {}
      for target, sequence, own in zip(
        targets, sequences, numbers, strict=True
      ):
        if min(target) <= frame.number <= max(target):
          path = folder.image_path(sequence, frame.number)
          folder.write_shared(path, frame.image, written)
          own.append(frame.number)
      shown.update(frame.number + 1)
      if frame.number >= last:
        break
  return numbers


if __name__ == '__main__':
  sys.exit(command.run(define, main, __doc__))
