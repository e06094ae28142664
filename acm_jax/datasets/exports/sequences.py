"""Sequences to train on, in the layout `folder`; only written."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from acm_jax.datasets.exports.target import Target
from acm_jax.datasets.sources import folder
from acm_jax.datasets.video_files import Frame


def write(
  out: Path, name: str, targets: Sequence[Target], frames: Iterable[Frame]
) -> None:
  """Writes a sequence for each target of a video.

  A sequence is called NAME.NUMBER: the name of the video, by which training
  holds out all targets of a video together, and the index of the target. It
  begins with the first frame and ends with the last frame in which the target
  has a box. Frames between them without a box are marked as absent.

  Args:
    out: Existing folder to write to.
    name: Name of the video.
    targets: Targets.
    frames: Frames of the video, at least up to the last box.

  Raises:
    OSError: A file cannot be written.
    ValueError: Another video in the folder has the same name.
  """
  paths = [out / f'{name}.{number:03d}' for number in range(len(targets))]
  for path in paths:
    if path.exists():
      raise ValueError(f'`video`: two are called {name}; rename one')
    (path / 'img').mkdir(parents=True)
  numbers: list[list[int]] = [[] for _ in targets]
  for frame in frames:
    written: dict[str, Path] = {}
    for target, path, own in zip(targets, paths, numbers, strict=True):
      if min(target.boxes) <= frame.number <= max(target.boxes):
        image = folder.image_path(path, frame.number)
        folder.write_shared(image, frame.image, written)
        own.append(frame.number)
  nothing = (np.nan,) * 4
  for target, path, own in zip(targets, paths, numbers, strict=True):
    rows = np.array([target.boxes.get(number, nothing) for number in own])
    absent = np.array([number not in target.boxes for number in own])
    folder.write_boxes(path, rows, absent)
