"""Tracking many sequences at once, by the number of lanes."""

import dataclasses
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from acm_jax import trackers
from acm_jax.datasets.sequences import Sequence, read_frame
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
# Of the synthetic sequences, where none are packed.
SEQUENCES, FRAMES, SEED = 8, 40, 7
# Frames of a packed sequence that are followed, so that one lane has an end.
MOST_FRAMES = 80


@dataclasses.dataclass(frozen=True, eq=False)
class Video(Sequence):
  """A sequence in memory, so that no image is decoded while time is taken.

  Attributes:
    images: RGB images.
  """

  images: list[np.ndarray] = dataclasses.field(default_factory=list)

  def frame(self, index: int) -> np.ndarray:
    """Gives an image."""
    return self.images[index]


def rows(settings: Settings) -> Iterator[Row]:
  """A row for every model, precision and number of lanes."""
  videos = list(_videos(settings))
  for model in _models(settings):
    first = None
    for count in REHEARSED_COUNTS if settings.rehearse else COUNTS:
      figures, boxes = _follow(model, videos, count)
      first = first or (figures, boxes)
      yield {
        'model': model.name,
        'precision': model.precision,
        'lanes': count,
        **figures,
        'ratio': round(figures['frames_per_s'] / first[0]['frames_per_s'], 2),
        'boxes_apart_px': _apart(boxes, first[1]),
        'overlap_change': figures['average_overlap']
        - first[0]['average_overlap'],
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
  for found in benchmarks.sequences(benchmark, packed):
    paths = found.frame_paths[:MOST_FRAMES]
    kept = slice(len(paths))
    images = [read_frame(path) for path in paths]
    boxes, absent = found.box_xywh[kept], found.absent[kept]
    yield _video(found.name, images, boxes, absent)


def _video(name, images, box_xywh, absent) -> Video:
  paths = tuple(Path(f'{i}') for i in range(len(images)))
  return Video(name, paths, box_xywh, absent, images=images)


def _models(settings: Settings) -> Iterator[Model]:
  """SiamBAN-ACM by formula, then every packed checkpoint."""
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
  yield from _in(formula, ('default', 'bfloat16'))
  folder = settings.packed_folder(packing.CHECKPOINTS)
  for path in sorted(folder.iterdir()) if folder else ():
    yield from _in(trained.load(str(path)), ('highest', 'default'))


def _in(model: Model, precisions: tuple[str, ...]) -> Iterator[Model]:
  for precision in precisions:
    dtype = 'bfloat16' if precision == 'bfloat16' else 'float32'
    tracker = dataclasses.replace(model.tracker, dtype=dtype)
    yield dataclasses.replace(model, tracker=tracker, precision=precision)


def _follow(
  model: Model, videos: list[Video], count: int
) -> tuple[Row, list[Float[np.ndarray, 't 4']]]:
  """Speed and overlap, and the boxes of every lane's video.

  With more lanes than videos some lanes follow the same one.
  """
  repeated = [videos[i % len(videos)] for i in range(max(count, len(videos)))]
  engine, one_pass = Engine(model, count), EXPERIMENTS['one_pass']
  jobs = [Job(v, one_pass.protocol(v, Truth.of(v))) for v in repeated]
  found = sorted(scheduler.drive(engine, jobs), key=lambda done: done.index)
  seconds = float(sum(done.times[0].sum() for done in found))
  boxes = [done.runs[0].region for done in found]
  figures = {
    'frames': sum(map(len, boxes)),
    'frames_per_s': round(sum(map(len, boxes)) / seconds, 1),
    'compile_s': round(engine.programs.seconds, 1),
    'average_overlap': _overlap(boxes, videos),
  }
  return figures, boxes


def _overlap(boxes: list[np.ndarray], videos: list[Video]) -> float:
  """Mean over the videos of the average overlap."""
  overlaps = [
    toolkits.rated_overlaps(box, Truth.of(video)).mean()
    for box, video in zip(boxes, videos, strict=False)
  ]
  return round(float(np.mean(overlaps)), 5)


def _apart(boxes: list[np.ndarray], first: list[np.ndarray]) -> Any:
  """Largest difference of a coordinate from the first number of lanes, px."""
  return max(
    float(np.abs(box - first[i % len(first)]).max())
    for i, box in enumerate(boxes)
  )
