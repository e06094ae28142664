"""What preparing a set costs beside decoding, warping and encoding alone.

One process, every frame; both are run in turn three times.

Example:
  python benchmarks/preparing.py --dataset davis --source DAVIS
"""

import functools
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from absl import flags

from acm_jax.datasets import sources, trees
from acm_jax.host import command
from data_pipelines import preparation
from data_pipelines.clips import Cut

ROUNDS = 3
CUT = Cut()


def frames(name: str, source: str) -> list[tuple]:
  """Tree, file and box of every frame that is cut."""
  tree, reader = trees.open_tree(source), sources.make(name)
  return [
    (tree, file, box)
    for unit in reader.units(tree)
    for track in reader.tracks(tree, unit)
    for file, box, visible in zip(
      track.files, track.box_xywh, track.visible, strict=True
    )
    if visible
  ]


def alone(found: list[tuple]) -> None:
  """Reads, decodes, warps and encodes, and keeps nothing."""
  flags = [cv2.IMWRITE_JPEG_QUALITY, CUT.quality]
  for tree, file, box in found:
    path = Path(tree.where(file))
    image = cv2.imread(str(path))
    x, y, w, h = map(float, box)
    scale = 127 / ((w + (w + h) / 2) * (h + (w + h) / 2)) ** 0.5
    shift = [255 - scale * (x + (w - 1) / 2), 255 - scale * (y + (h - 1) / 2)]
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    crop = cv2.warpAffine(image, matrix, (511, 511))
    cv2.imencode('.jpg', crop, flags)


def seconds(work) -> float:
  begun = time.perf_counter()
  work()
  return time.perf_counter() - begun


def define(values: flags.FlagValues) -> None:
  """Defines the command's flags on `values`."""
  on = {'flag_values': values, 'required': True}
  flags.DEFINE_enum('dataset', None, sources.names(), 'Data set.', **on)
  flags.DEFINE_string('source', None, 'Folder of its official files.', **on)


def main(values: flags.FlagValues) -> None:
  """Measures on the data set that the flags name."""
  found = frames(values.dataset, values.source)
  job = preparation.Job(values.dataset, values.source, CUT)
  times = {'preparing': [], 'alone': []}
  for _ in range(ROUNDS):
    with tempfile.TemporaryDirectory() as folder:
      out = Path(folder) / 'set'
      work = functools.partial(
        preparation.prepare, job, out, preparation.processes(1)
      )
      times['preparing'].append(seconds(work))
    times['alone'].append(seconds(lambda: alone(found)))
  best = {name: min(values) for name, values in times.items()}
  ratio = best['preparing'] / best['alone']
  print(f'{len(found)} frames: {best}, {ratio:.2f} times as long')


if __name__ == '__main__':
  sys.exit(command.run(define, main, __doc__))
