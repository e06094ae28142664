"""Process that times a step in PyTorch; see `acm_jax.timing.worker.Worker`.

Its only argument is a `Request` in JSON. benchmarks/pytorch.py starts it.
"""

import dataclasses
import json
import sys
import time
from collections.abc import Callable

import cv2
import torch

from acm_jax.timing import scene
from acm_jax.timing.worker import serve
from benchmarks.torch_networks import REFERENCES, TEMPLATE_SIZE
from benchmarks.torch_steps.device import Pending
from benchmarks.torch_steps.tracking import tracking
from benchmarks.torch_steps.training import training
from data_pipelines import batch

# Time and number of calls after which the faster memory layout is chosen.
SECONDS, CALLS = 2.0, 5
# Time in which OpenMP's threads stop waiting actively after a step, in seconds.
# If they always waited passively, small networks would take twice as long.
REST = 0.02


@dataclasses.dataclass(frozen=True)
class Request:
  """Step to time.

  Attributes:
    network: Name of the network, a key of `REFERENCES`.
    step: 'train' or 'track'.
    size: Number of pairs of the training step, or height and width of the
      frame of the tracking step, px.
    bfloat16: Whether convolutions compute in bfloat16.
    device: Device to compute on.
    narrow: Whether the network has few channels.
  """

  network: str
  step: str
  size: int | tuple[int, int]
  bfloat16: bool
  device: str
  narrow: bool = False


def make(request: Request, *, channels_last: bool) -> Callable[[], object]:
  """Returns a function that runs the requested step once."""
  reference = REFERENCES[request.network]
  torch.manual_seed(0)
  network = reference.make(**(reference.narrow if request.narrow else {}))
  settings = {
    'bfloat16': request.bfloat16,
    'channels_last': channels_last,
    'device': request.device,
  }
  if request.step == 'train':
    raw = batch.fake(request.size, TEMPLATE_SIZE, reference.search_size)
    return training(reference, network, raw, **settings)
  frame = scene.frame(tuple(request.size))
  return tracking(reference, network, frame, **settings)


def seconds(step: Callable[[], object], calls: int = 1) -> float:
  """Returns the mean seconds per call of a step."""
  begun = time.perf_counter()
  for _ in range(calls):
    step()
  Pending().block_until_ready()
  return (time.perf_counter() - begun) / calls


def faster(request: Request) -> tuple[Callable[[], object], str]:
  """Chooses the memory layout in which the requested step is faster.

  Returns:
    The step, and a text that names both layouts with their times.
  """
  # A narrow network makes PyTorch load what it loads on first use.
  make(dataclasses.replace(request, narrow=True), channels_last=False)()
  steps, least = {}, {}
  for layout in ('default layout', 'channels_last'):
    channels_last = layout == 'channels_last'
    steps[layout] = make(request, channels_last=channels_last)
    times = []
    while len(times) < CALLS and sum(times) < SECONDS:
      times.append(seconds(steps[layout]))
    least[layout] = min(times)
  best, other = sorted(least, key=least.get)
  note = f'{best} ({other}: {least[other] / least[best]:.2f}x)'
  return steps[best], note


def prepare() -> tuple[str, Callable[[int], float]]:
  """Returns what `serve` needs, for the requested step."""
  # OpenCV's own threads would compete with PyTorch's for the cores.
  cv2.setNumThreads(1)
  step, note = faster(Request(**json.loads(sys.argv[1])))

  def rested(calls):
    answer = seconds(step, calls)
    # Whatever is timed next has the cores for itself.
    time.sleep(REST)
    return answer

  return note, rested


if __name__ == '__main__':
  serve(prepare)
