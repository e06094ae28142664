"""Process that times an exported tracker's step; see `timing.worker.Worker`.

Its arguments are the folder of the exported tracker, and height and width of
the frame, px. benchmarks/exported.py starts it.
"""

import os
import sys
import time
from collections.abc import Callable

from acm_jax import exported
from acm_jax.timing import scene
from acm_jax.timing.worker import serve


def _prepare() -> tuple[str, Callable[[int], float]]:
  """Returns what `serve` needs."""
  folder, *size = sys.argv[1:]
  frame = scene.frame(tuple(map(int, size)))
  tracker = exported.load(folder)
  tracker.init(frame, scene.BOX_XYWH)

  def seconds(calls):
    begun = time.perf_counter()
    for _ in range(calls):
      tracker.update(frame)
    return (time.perf_counter() - begun) / calls

  return f'{len(os.sched_getaffinity(0))} threads', seconds


if __name__ == '__main__':
  serve(_prepare)
