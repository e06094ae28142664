"""What preparing a set costs beside decoding, warping and encoding alone.

    python benchmarks/preparing.py davis --source DAVIS

One process, every frame; both are run in turn three times.
"""

import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from data_pipelines import preparation, sources, trees
from data_pipelines.clips import Cut
from data_pipelines.command_line import Parser

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


def main() -> int:
  parser = Parser('benchmarks.preparing', __doc__)
  parser.add_argument('name', choices=sources.names())
  parser.add_argument('--source', required=True)

  def work(options) -> str:
    found = frames(options.name, options.source)
    job = preparation.Job(options.name, options.source, CUT)
    times = {'preparing': [], 'alone': []}
    for _ in range(ROUNDS):
      with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / 'set'
        times['preparing'].append(
          seconds(
            lambda out=out: preparation.prepare(
              job, out, preparation.processes(1)
            )
          )
        )
      times['alone'].append(seconds(lambda: alone(found)))
    best = {name: min(values) for name, values in times.items()}
    ratio = best['preparing'] / best['alone']
    return f'{len(found)} frames: {best}, {ratio:.2f} times as long'

  return parser.run(work, None)


if __name__ == '__main__':
  sys.exit(main())
