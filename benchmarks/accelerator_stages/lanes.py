"""Speed of tracking with several numbers of lanes.

The number of lanes is the number of sequences that are tracked at once.
"""

import dataclasses
import importlib
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np
from jaxtyping import Float

from acm_jax import trackers
from acm_jax.datasets.sequences import Sequence
from acm_jax.evaluation import benchmarks, toolkits
from acm_jax.evaluation.experiments import EXPERIMENTS
from acm_jax.evaluation.truth import Truth
from acm_jax.running import scheduler
from acm_jax.running.scheduler import Job
from acm_jax.tracking.contract import Hparams
from acm_jax.tracking.engine import Engine
from acm_jax.tracking.model import Model
from acm_jax.training import trained
from benchmarks.accelerator_stages import packing, parity
from benchmarks.accelerator_stages.settings import Row, Settings
from data_pipelines import synthetic
from tests import variables

COUNTS, REHEARSED_COUNTS = (1, 8, 32, 128), (1, 2)
# Synthetic sequences, which are used if none are packed: number of sequences,
# number of frames in each, and random seed.
SEQUENCES, FRAMES, SEED = 8, 40, 7
# Maximum number of frames to track in a packed sequence. It limits the time of
# tracking with a single lane.
MOST_FRAMES = 80


@dataclasses.dataclass(frozen=True, eq=False)
class Video(Sequence):
  """A sequence in memory, so that decoding is not timed.

  Attributes:
    images: RGB images of the frames.
  """

  images: list[np.ndarray] = dataclasses.field(default_factory=list)

  def frame(self, index: int) -> np.ndarray:
    """Returns the image of a frame."""
    return self.images[index]


def rows(settings: Settings) -> Iterator[Row]:
  """Yields a row for every model, precision and number of lanes."""
  videos = list(_videos(settings))
  for model in _models(settings):
    first_figures = first_boxes = None
    for count in REHEARSED_COUNTS if settings.rehearse else COUNTS:
      figures, boxes = _track(model, videos, count)
      if first_figures is None:
        first_figures, first_boxes = figures, boxes
      speedup = figures['frames_per_s'] / first_figures['frames_per_s']
      yield {
        'model': model.name,
        'precision': model.precision,
        'lanes': count,
        **figures,
        'ratio': round(speedup, 2),
        'boxes_apart_px': _largest_difference(boxes, first_boxes),
        'overlap_change': figures['average_overlap']
        - first_figures['average_overlap'],
      }


def _videos(settings: Settings) -> Iterator[Video]:
  packed = settings.packed_folder(packing.SEQUENCES)
  if packed is None or settings.rehearse:
    count, frames = (2, 4) if settings.rehearse else (SEQUENCES, FRAMES)
    for i in range(count):
      images, boxes, visible = synthetic.generate((SEED, i), frames)
      yield _video(f'{i}', list(images), boxes, ~visible)
    return
  benchmark = benchmarks.get(settings.benchmark)
  for sequence in benchmarks.sequences(benchmark, packed):
    count = min(MOST_FRAMES, len(sequence))
    images = [sequence.frame(i) for i in range(count)]
    boxes = sequence.box_xywh[:MOST_FRAMES]
    absent = sequence.absent[:MOST_FRAMES]
    yield _video(sequence.name, images, boxes, absent)


def _video(name, images, box_xywh, absent) -> Video:
  paths = tuple(Path(f'{i}') for i in range(len(images)))
  return Video(name, paths, box_xywh, absent, images=images)


def _models(settings: Settings) -> Iterator[Model]:
  """Yields SiamBAN-ACM with weights from a formula, then packed checkpoints."""
  if settings.rehearse:
    module = importlib.import_module('configs.siamban_acm')
    config = module.get_config('quickstart,tiny').to_dict()
    tracker = trackers.make(**config['tracker'])
    weights = variables.fill(tracker.init_variables)
  else:
    config, tracker, weights = parity.model('siamban_acm_r50')
    weights = jax.device_put(weights)
  hparams = Hparams(**config['hparams'])
  formula = Model('siamban_acm, no training', tracker, weights, hparams)
  yield from _with_precisions(formula, ('default', 'bfloat16'))
  folder = settings.packed_folder(packing.CHECKPOINTS)
  for path in sorted(folder.iterdir()) if folder else ():
    model = trained.load(str(path))
    yield from _with_precisions(model, ('highest', 'default'))


def _with_precisions(
  model: Model, precisions: tuple[str, ...]
) -> Iterator[Model]:
  for precision in precisions:
    dtype = 'bfloat16' if precision == 'bfloat16' else 'float32'
    tracker = dataclasses.replace(model.tracker, dtype=dtype)
    yield dataclasses.replace(model, tracker=tracker, precision=precision)


def _track(
  model: Model, videos: list[Video], count: int
) -> tuple[Row, list[Float[np.ndarray, 't 4']]]:
  """Tracks the videos in `count` lanes.

  If there are more lanes than videos, videos are tracked several times.

  Returns:
    Speed and overlap, and the boxes in every tracked video.
  """
  repeated = [videos[i % len(videos)] for i in range(max(count, len(videos)))]
  engine, one_pass = Engine(model, count), EXPERIMENTS['one_pass']
  jobs = [Job(v, one_pass.protocol(v, Truth.of(v))) for v in repeated]
  results = sorted(scheduler.drive(engine, jobs), key=lambda done: done.index)
  seconds = float(sum(done.times[0].sum() for done in results))
  boxes = [done.runs[0].region for done in results]
  figures = {
    'frames': sum(map(len, boxes)),
    'frames_per_s': round(sum(map(len, boxes)) / seconds, 1),
    'compile_s': round(engine.programs.seconds, 1),
    'average_overlap': _overlap(boxes, videos),
  }
  return figures, boxes


def _overlap(boxes: list[np.ndarray], videos: list[Video]) -> float:
  """Computes the mean of the videos' average overlaps."""
  overlaps = [
    toolkits.rated_overlaps(box, Truth.of(video)).mean()
    for box, video in zip(boxes, videos, strict=False)
  ]
  return round(float(np.mean(overlaps)), 5)


def _largest_difference(
  boxes: list[np.ndarray], first: list[np.ndarray]
) -> float:
  """Returns the largest difference of a coordinate from the `first` run, px."""
  return max(
    float(np.abs(box - first[i % len(first)]).max())
    for i, box in enumerate(boxes)
  )
