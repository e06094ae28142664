"""Compares boxes that fill the frames between key frames with the truth.

In every sequence, each Nth frame in which the target is visible, and the last
such frame, are key frames with the true box. The script prints, for each N, the
IoU of three fillings, averaged over the other visible frames of a sequence and
then over the sequences:

    linear     interpolates the boxes linearly
    forward    tracks from each key frame to the next
    merged     tracks in both directions; see acm_jax.running.key_frames

Example:
  PYTHONPATH=. python benchmarks/key_frames.py --checkpoint runs/nanotrackv3 \\
    --benchmark davis --data_dir DAVIS --every 10,25,50
"""

import itertools
import math
import sys
from pathlib import Path

import numpy as np
from absl import flags
from jaxtyping import Float

from acm_jax import model_flags
from acm_jax.datasets import layouts
from acm_jax.datasets.exports.target import Target
from acm_jax.datasets.sequences import Sequence
from acm_jax.datasets.video_files import Frame
from acm_jax.geometry import boxes
from acm_jax.host import command
from acm_jax.running import key_frames
from acm_jax.tracking.video_tracker import VideoTracker


def define(values: flags.FlagValues) -> None:
  """Defines the command's flags on `values`."""
  model_flags.define(values)
  for name, text in (
    ('benchmark', 'Benchmark of the sequences.'),
    ('data_dir', "Benchmark's root folder."),
  ):
    flags.DEFINE_string(name, None, text, required=True, flag_values=values)
  text = 'Comma-separated distances between key frames.'
  flags.DEFINE_list('every', ['10', '25', '50'], text, flag_values=values)


def main(values: flags.FlagValues) -> None:
  """Fills all sequences at each distance and prints the mean IoU."""
  tracker = VideoTracker(model_flags.load(values))
  sequences = list(layouts.read(values.benchmark, Path(values.data_dir)))
  print('every  key frames  linear  forward  merged')
  for every in map(int, values.every):
    counts, overlaps = [], []
    for sequence in sequences:
      keys = choose(sequence, every)
      others = np.setdiff1d(np.flatnonzero(sequence.visible), keys)
      found = fill(tracker, sequence, keys)
      counts.append(len(keys))
      overlaps.append([overlap(sequence, each, others) for each in found])
    means = '  '.join(f'{mean:7.3f}' for mean in np.mean(overlaps, axis=0))
    print(f'{every:5}  {sum(counts):10}  {means}', flush=True)


def choose(sequence: Sequence, every: int) -> list[int]:
  """Returns the key frames: visible ones, at least `every` frames apart."""
  visible = np.flatnonzero(sequence.visible).tolist()
  keys = visible[:1]
  for number in visible:
    if number - keys[-1] >= every or number == visible[-1]:
      keys.append(number)
  return keys


def fill(
  tracker: VideoTracker, sequence: Sequence, keys: list[int]
) -> list[Float[np.ndarray, 't 4']]:
  """Returns the boxes of each filling from the first to the last key frame."""
  given = {key: tuple(sequence.box_xywh[key].tolist()) for key in keys}
  numbers = range(keys[0], keys[-1] + 1)
  images = [sequence.frame(number) for number in numbers]
  sides = np.array(list(given.values())).T
  linear = np.array([np.interp(numbers, keys, side) for side in sides]).T
  forward = [given[keys[0]]]
  for first, last in itertools.pairwise(keys):
    part = images[first - keys[0] : last - keys[0] + 1]
    tracked = tracker.track(part, [given[first]])
    forward += [results[0].box for results in tracked][1:]
  frames = [
    Frame(image, number, math.nan)
    for image, number in zip(images, numbers, strict=True)
  ]
  rows = key_frames.track(tracker, frames, [Target(given)])
  merged = [results[0].box for _, results in rows]
  return [linear, np.array(forward), np.array(merged)]


def overlap(
  sequence: Sequence, found: Float[np.ndarray, 't 4'], frames: np.ndarray
) -> float:
  """Returns the mean IoU with the truth in some frames."""
  first = np.flatnonzero(sequence.visible)[0]
  truth = boxes.xywh_to_xyxy(sequence.box_xywh[frames].astype(np.float64))
  filled = boxes.xywh_to_xyxy(found[frames - first])
  return float(boxes.iou(filled, truth).mean())


if __name__ == '__main__':
  sys.exit(command.run(define, main, __doc__))
