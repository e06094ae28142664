"""Procedural sequences with exact boxes, for training without downloads.

A textured target moves, turns, changes size, aspect and light and passes
behind things, among distractors that look like it, before a textured scene
that moves with the camera. Textures are procedural or cut from photographs.
Everything follows from the seed.

As a command it writes sequences in the folder layout (img/, groundtruth.txt,
absent.txt), for training or for a benchmark whose answer is known.

Example:
  python -m data_pipelines.synthetic --out heldout --sequences 50
"""

import sys
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from absl import flags
from jaxtyping import Bool, Float, UInt8

from acm_jax.host import command
from acm_jax.host.staging import staged
from data_pipelines.synthetic_scene import Camera, Scene
from data_pipelines.synthetic_textures import Textures


class Video(NamedTuple):
  """Frames and the exact boxes of the target.

  Attributes:
    frames: RGB.
    box_xywh: Bounds of the target as if nothing hid it, cut to the frame, px;
      NaN where it is outside.
    visible: Whether at least a tenth of the target can be seen.
  """

  frames: UInt8[np.ndarray, 't h w 3']
  box_xywh: Float[np.ndarray, 't 4']
  visible: Bool[np.ndarray, 't']


def generate(
  seed: int | tuple[int, ...],
  frames: int = 40,
  size: tuple[int, int] = (240, 320),
  textures: Path | None = None,
) -> Video:
  """A sequence that is a pure function of its arguments.

  Args:
    seed: Number or numbers; each gives another sequence.
    frames: Length.
    size: Height and width of the frames, px.
    textures: Folder of photographs to cut the textures from.

  Raises:
    FileNotFoundError: There is no such folder of textures.
    ValueError: It has no images, or one that cannot be decoded.
  """
  rng = np.random.default_rng(seed)
  scene = Scene(rng, frames, size, Textures(textures))
  camera = Camera(rng, frames, size)
  video = np.empty((frames, *size, 3), np.uint8)
  boxes = np.full((frames, 4), np.nan, np.float32)
  visible = np.zeros(frames, bool)
  for t in range(frames):
    image, boxes[t], visible[t] = scene.render(t)
    video[t] = camera.record(image, t)
  return Video(video, boxes, visible)


def write_folder(
  out: Path,
  sequences: int,
  frames: int,
  seed: int,
  textures: Path | None = None,
) -> None:
  """Writes sequences in the folder layout; all of them appear at once.

  Args:
    out: Folder that must not exist yet.
    sequences: How many; number i is `generate((seed, i), ...)`.
    frames: Length of each.
    seed: First part of every sequence's seed.
    textures: Folder of photographs to cut the textures from.

  Raises:
    FileNotFoundError: There is no such folder of textures.
    ValueError: `out` exists, or a number is not positive.
  """
  if min(sequences, frames) < 1 or seed < 0:
    raise ValueError(
      '`sequences` and `frames` must be at least 1, `seed` at least 0'
    )
  with staged(out) as folder:
    for i in range(sequences):
      video = generate((seed, i), frames, textures=textures)
      _write_video(video, folder / f'synthetic-{i:04d}')


def _write_video(video: Video, folder: Path) -> None:
  (folder / 'img').mkdir(parents=True)
  for number, frame in enumerate(video.frames, 1):
    image = cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)
    path = folder / 'img' / f'{number:06d}.jpg'
    if not cv2.imwrite(str(path), image):
      raise RuntimeError(f'{path}: could not be written')
  np.savetxt(folder / 'groundtruth.txt', video.box_xywh, '%.2f', ',')
  np.savetxt(folder / 'absent.txt', ~video.visible, '%d')


def define(values: flags.FlagValues) -> None:
  """Defines the command's flags on `values`."""
  on = {'flag_values': values}
  flags.DEFINE_string('out', None, 'Output folder.', required=True, **on)
  flags.DEFINE_integer('sequences', 50, 'Number of sequences.', **on)
  flags.DEFINE_integer('frames', 40, 'Frames of each sequence.', **on)
  flags.DEFINE_integer('seed', 0, 'Random seed, 0 or more.', **on)
  flags.DEFINE_string(
    'textures', None, 'Folder of photographs to cut textures from.', **on
  )


def main(values: flags.FlagValues) -> None:
  """Writes the sequences that the flags describe."""
  write_folder(
    Path(values.out),
    values.sequences,
    values.frames,
    values.seed,
    values.textures and Path(values.textures),
  )
  print(f'{values.sequences} sequences in {values.out}')


if __name__ == '__main__':
  sys.exit(command.run(define, main, __doc__))
