"""Tracking many sequences at once, by the number of lanes."""

import dataclasses
import functools
import importlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Float, UInt8

from acm_jax import trackers
from acm_jax.evaluation import benchmarks, metrics, run
from acm_jax.tracking import lanes
from acm_jax.tracking.contract import Hparams, Trained
from acm_jax.training import trained
from benchmarks.accelerator_stages import packing, parity
from benchmarks.accelerator_stages.settings import Row, Settings
from data_pipelines import synthetic
from data_pipelines.sequences import read_frame
from tests import variables

COUNTS, REHEARSED_COUNTS = (1, 8, 32, 128), (1, 2)
# Of the synthetic sequences, where none are packed.
SEQUENCES, FRAMES, SEED = 8, 40, 7
# Frames of a packed sequence that are followed, so that one lane has an end.
MOST_FRAMES = 80


class Video(NamedTuple):
  """A sequence in memory, so that no image is decoded while time is taken."""

  frames: UInt8[np.ndarray, 't h w 3'] | list[np.ndarray]
  box_xywh: Float[np.ndarray, 't 4']
  visible: Bool[np.ndarray, 't']


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
      yield Video(*synthetic.generate((SEED, i), frames))
    return
  benchmark = benchmarks.get(settings.benchmark)
  for found in run.sequences(benchmark, packed):
    paths = found.frame_paths[:MOST_FRAMES]
    kept = slice(len(paths))
    frames = [read_frame(path) for path in paths]
    yield Video(frames, found.box_xywh[kept], found.visible[kept])


def _models(settings: Settings) -> Iterator[Trained]:
  """SiamBAN-ACM by formula, then every packed checkpoint."""
  if settings.rehearse:
    module = importlib.import_module('configs.siamban_acm')
    config = module.get_config('quickstart,tiny').to_dict()
    tracker = trackers.make(**config['tracker'])
    weights = variables.fill(tracker.init)
  else:
    config, tracker, weights = parity.model('siamban_acm_r50')
    weights = jax.device_put(weights)
  hparams = Hparams(**config['hparams'])
  formula = Trained('siamban_acm, no training', tracker, weights, hparams)
  yield from _in(formula, ('default', 'bfloat16'))
  folder = settings.packed_folder(packing.CHECKPOINTS)
  for path in sorted(folder.iterdir()) if folder else ():
    yield from _in(trained.load(str(path)), ('highest', 'default'))


def _in(model: Trained, precisions: Sequence[str]) -> Iterator[Trained]:
  for precision in precisions:
    dtype = 'bfloat16' if precision == 'bfloat16' else 'float32'
    tracker = dataclasses.replace(model.tracker, dtype=dtype)
    yield dataclasses.replace(model, tracker=tracker, precision=precision)


def _follow(
  model: Trained, videos: Sequence[Video], count: int
) -> tuple[Row, list[Float[np.ndarray, 't 4']]]:
  """Speed and overlap, and the boxes of every lane's video.

  With more lanes than videos some lanes follow the same one.
  """
  repeated = [videos[i % len(videos)] for i in range(max(count, len(videos)))]
  given = [
    lanes.Video(
      f'{i}', len(v.frames), functools.partial(_frame, v), v.box_xywh[0]
    )
    for i, v in enumerate(repeated)
  ]
  programs = lanes.Programs()
  with jax.default_matmul_precision(model.precision):
    found = list(
      lanes.follow(
        model.tracker,
        model.variables,
        model.hparams,
        given,
        lanes=count,
        programs=programs,
      )
    )
  found.sort(key=lambda followed: followed.index)
  seconds = float(sum(followed.seconds.sum() for followed in found))
  boxes = [followed.tracked.box_xywh for followed in found]
  figures = {
    'frames': sum(map(len, boxes)),
    'frames_per_s': round(sum(map(len, boxes)) / seconds, 1),
    'compile_s': round(programs.seconds, 1),
    'average_overlap': _overlap(boxes, videos),
  }
  return figures, boxes


def _frame(video: Video, index: int) -> np.ndarray:
  return video.frames[index]


def _overlap(boxes: Sequence[np.ndarray], videos: Sequence[Video]) -> float:
  """Mean over the videos of the mean over visible frames after the first."""
  overlaps = []
  for box, video in zip(boxes, videos, strict=False):
    kept = video.visible.copy()
    kept[0] = False
    true = video.box_xywh[kept].astype(np.float64)
    overlaps.append(metrics.overlaps(box[kept].astype(np.float64), true).mean())
  return round(float(np.mean(overlaps)), 5)


def _apart(boxes: Sequence[np.ndarray], first: Sequence[np.ndarray]) -> Any:
  """Largest difference of a coordinate from the first number of lanes, px."""
  return max(
    float(np.abs(box - first[i % len(first)]).max())
    for i, box in enumerate(boxes)
  )
