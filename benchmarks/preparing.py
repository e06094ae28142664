"""Compares the time to prepare a data set with that of its image operations.

The image operations are reading, decoding, warping and encoding of every frame.
Preparing and image operations run alternately in one process, three times each;
the shortest times count.

Example:
  python benchmarks/preparing.py --dataset davis --source DAVIS
"""

import functools
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from absl import flags

from acm_jax.datasets import sources, trees
from acm_jax.host import command
from data_pipelines import preparation
from data_pipelines.clips import Cut

ROUNDS = 3
CUT = Cut()


class Frame(NamedTuple):
  """A frame with a visible target.

  Attributes:
    tree: Files of the data set.
    file: Path of the image in `tree`.
    box_xywh: Box of the target, px, 0-based.
  """

  tree: trees.Tree
  file: str
  box_xywh: np.ndarray


def visible_frames(name: str, source: str) -> list[Frame]:
  """Returns all frames of a data set that show a target."""
  tree, reader = trees.open_tree(source), sources.make(name)
  return [
    Frame(tree, file, box)
    for unit in reader.units(tree)
    for track in reader.tracks(tree, unit)
    for file, box, visible in zip(
      track.files, track.box_xywh, track.visible, strict=True
    )
    if visible
  ]


def image_operations(frames: list[Frame]) -> None:
  """Reads, decodes, warps and encodes the frames, without writing them."""
  options = [cv2.IMWRITE_JPEG_QUALITY, CUT.quality]
  for tree, file, box in frames:
    image = cv2.imread(tree.where(file))
    x, y, w, h = map(float, box)
    scale = 127 / ((w + (w + h) / 2) * (h + (w + h) / 2)) ** 0.5
    shift = [255 - scale * (x + (w - 1) / 2), 255 - scale * (y + (h - 1) / 2)]
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    crop = cv2.warpAffine(image, matrix, (511, 511))
    cv2.imencode('.jpg', crop, options)


def seconds(work: Callable[[], object]) -> float:
  """Returns the duration of one call of `work`, s."""
  begun = time.perf_counter()
  work()
  return time.perf_counter() - begun


def define(values: flags.FlagValues) -> None:
  """Defines the command's flags on `values`."""
  required = {'flag_values': values, 'required': True}
  text = 'Name of the data set.'
  flags.DEFINE_enum('dataset', None, sources.names(), text, **required)
  text = "Folder of the data set's official files."
  flags.DEFINE_string('source', None, text, **required)


def main(values: flags.FlagValues) -> None:
  """Times preparing and the image operations; prints the ratio of the times."""
  frames = visible_frames(values.dataset, values.source)
  job = preparation.Job(values.dataset, values.source, CUT)
  times = {'preparing': [], 'image operations': []}
  for _ in range(ROUNDS):
    with tempfile.TemporaryDirectory() as folder:
      out = Path(folder) / 'set'
      work = functools.partial(
        preparation.prepare, job, out, preparation.processes(1)
      )
      times['preparing'].append(seconds(work))
    work = functools.partial(image_operations, frames)
    times['image operations'].append(seconds(work))
  best = {name: min(rounds) for name, rounds in times.items()}
  ratio = best['preparing'] / best['image operations']
  print(f'{len(frames)} frames: {best}, {ratio:.2f} times as long')


if __name__ == '__main__':
  sys.exit(command.run(define, main, __doc__))
