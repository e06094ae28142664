"""Writes procedural sequences with exact boxes; needs no downloads.

A textured target moves, turns, changes its size, aspect and brightness, and
passes behind obstacles. Distractors that look like the target surround it, and
the textured background moves with the camera. Textures are procedural or cut
from photographs. Equal seeds give equal sequences.

The command writes sequences in the layout `folder`, for training or as a
benchmark with exact ground truth.

Example:
  acm-jax synthetic --out heldout --sequences 50
"""

import collections
import os
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from absl import flags
from jaxtyping import Bool, Float, UInt8

from acm_jax.datasets.sources import folder as folder_source
from acm_jax.host import command
from acm_jax.host.staging import staged
from data_pipelines.synthetic_scene import Camera, Scene
from data_pipelines.synthetic_textures import Textures


class Video(NamedTuple):
  """A sequence with the exact boxes of its target.

  Attributes:
    frames: RGB frames.
    box_xywh: Box of the target in each frame, x, y, w, h, px. The box includes
      occluded parts of the target, but not parts outside the frame. NaN for
      frames that do not show the target.
    visible: For each frame, whether at least a tenth of the target is visible.
  """

  frames: UInt8[np.ndarray, 't h w 3']
  box_xywh: Float[np.ndarray, 't 4']
  visible: Bool[np.ndarray, 't']


def generate(
  seed: int | tuple[int, ...],
  frames: int = 40,
  size: tuple[int, int] = (240, 320),
  textures: Path | None = None,
  hides: int = 0,
) -> Video:
  """Generates a sequence; equal arguments give equal sequences.

  Args:
    seed: Random seed: an integer or a tuple of integers, each 0 or more.
    frames: Number of frames.
    size: Height and width of the frames, px.
    textures: Folder of photographs to cut the textures from (default:
      procedural textures).
    hides: Number of extra obstacles, large enough to hide the target in several
      frames.

  Raises:
    FileNotFoundError: The folder of textures does not exist.
    ValueError: The folder of textures has no images, or an image cannot be
      decoded.
  """
  rng = np.random.default_rng(seed)
  scene = Scene(rng, frames, size, Textures(textures), hides)
  camera = Camera(rng, frames, size)
  video = np.empty((frames, *size, 3), np.uint8)
  boxes = np.full((frames, 4), np.nan, np.float32)
  visible = np.zeros(frames, bool)
  for t in range(frames):
    image, boxes[t], visible[t] = scene.render(t)
    video[t] = camera.record(image, t)
  return Video(video, boxes, visible)


def generate_many(
  count: int, seed: int, *arguments: Any, **keywords: Any
) -> Iterator[Video]:
  """Yields sequences, which threads generate ahead.

  Args:
    count: Number of sequences.
    seed: Random seed; sequence i has the seed (`seed`, i).
    *arguments: Further arguments of `generate`.
    **keywords: Further arguments of `generate`.
  """
  threads = len(os.sched_getaffinity(0))
  waiting: collections.deque[Future] = collections.deque()
  # OpenCV releases the interpreter's lock.
  with ThreadPoolExecutor(threads) as pool:
    for i in range(count):
      waiting.append(pool.submit(generate, (seed, i), *arguments, **keywords))
      if len(waiting) > threads:
        yield waiting.popleft().result()
    while waiting:
      yield waiting.popleft().result()


def write_folder(
  out: Path,
  sequences: int,
  frames: int,
  seed: int,
  textures: Path | None = None,
  hides: int = 0,
) -> None:
  """Writes sequences in the layout `folder`, each in its own subfolder.

  `out` appears only when it is complete.

  Args:
    out: Output folder; must not exist.
    sequences: Number of sequences.
    frames: Number of frames in each sequence.
    seed: Random seed; sequence i has the seed (`seed`, i).
    textures: Folder of photographs to cut the textures from (default:
      procedural textures).
    hides: Number of extra obstacles in each sequence, large enough to hide the
      target in several frames.

  Raises:
    FileNotFoundError: The folder of textures does not exist.
    OSError: A file cannot be written.
    ValueError: `out` exists, a number is out of range, the folder of textures
      has no images, or an image cannot be decoded.
  """
  for name, value, least in (
    ('sequences', sequences, 1),
    ('frames', frames, 1),
    ('seed', seed, 0),
    ('hides', hides, 0),
  ):
    if value < least:
      raise ValueError(f'`{name}`={value}: must be at least {least}')
  with staged(out) as folder:
    videos = generate_many(
      sequences, seed, frames, textures=textures, hides=hides
    )
    for i, video in enumerate(videos):
      folder_source.write(
        folder / f'synthetic-{i:04d}',
        dict(enumerate(video.frames, 1)),
        video.box_xywh,
        ~video.visible,
      )


def define(values: flags.FlagValues) -> None:
  """Defines the command's flags on `values`."""
  on = {'flag_values': values}
  flags.DEFINE_string('out', None, 'Output folder.', required=True, **on)
  flags.DEFINE_integer('sequences', 50, 'Number of sequences.', **on)
  flags.DEFINE_integer('frames', 40, 'Number of frames in each sequence.', **on)
  flags.DEFINE_integer('seed', 0, 'Random seed, 0 or more.', **on)
  flags.DEFINE_string(
    'textures',
    None,
    'Folder of photographs to cut the textures from (default: procedural '
    'textures).',
    **on,
  )
  flags.DEFINE_integer(
    'hides',
    0,
    'Number of extra obstacles in each sequence, large enough to hide the '
    'target in several frames.',
    **on,
  )


def main(values: flags.FlagValues) -> None:
  """Writes the sequences that the flags describe."""
  write_folder(
    Path(values.out),
    values.sequences,
    values.frames,
    values.seed,
    values.textures and Path(values.textures),
    values.hides,
  )
  print(f'{values.sequences} sequences in {values.out}')


if __name__ == '__main__':
  sys.exit(command.run(define, main, __doc__))
