"""Writes labelled tracks as sequences in the layout called `folder`.

A frame whose box may not be used as a label is marked as absent.
"""

import functools
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from acm_jax.datasets.sources import folder
from acm_jax.training.agreement import KEPT
from data_pipelines.stretches import Stretch


class Labels(NamedTuple):
  """Tracks of n targets in a stretch, which is a run of t frames of one shot.

  Attributes:
    box_xywh: Box in each frame, px, 0-based.
    agrees: Whether the forward and the backward pass agree on the box.
    outcomes: Outcome of each track: `KEPT`, or why the track is dropped.
  """

  box_xywh: Float[np.ndarray, 't n 4']
  agrees: Bool[np.ndarray, 't n']
  outcomes: list[str]


def write(prefix: Path, stretch: Stretch, labels: Labels) -> int:
  """Writes a sequence for each kept track of a stretch.

  A sequence ends with the last frame in which the forward and the backward pass
  agree.

  Args:
    prefix: Beginning of the paths of the sequences, OUT/VIDEO.NUMBER: the
      output folder, the name of the video, and the index of the video among the
      labelled videos.
    stretch: Frames of the stretch.
    labels: Tracks of the stretch.

  Returns:
    The number of written boxes that both passes agree on.

  Raises:
    OSError: A file cannot be written.
  """
  images: dict[str, Path] = {}
  written = 0
  for n, outcome in enumerate(labels.outcomes):
    if outcome != KEPT:
      continue
    agrees = labels.agrees[:, n]
    length = np.flatnonzero(agrees)[-1] + 1
    name = f'{prefix.name}.{stretch.numbers[0]:06d}.{n:02d}'
    folder.write(
      prefix.with_name(name),
      dict(zip(stretch.numbers[:length], stretch.frames, strict=False)),
      labels.box_xywh[:length, n],
      ~agrees[:length],
      functools.partial(folder.write_shared, written=images),
    )
    written += int(agrees.sum())
  return written
