"""Compares a model's speed with NanoTrackV3's published graphs in onnxruntime.

Both track the same decoded frames in turns, in one process. The model uses all
cores that the process may use, and onnxruntime one thread. The frames/s (median
over sequences and rounds, without decoding and compilation) and the average
overlap of both are printed. benchmarks/onnx_tracker.py says where the graphs
are from.

Example (on one core; `pip install onnx onnxruntime` first):
  PYTHONPATH=. taskset -c 0 python benchmarks/onnx_nanotrack.py \\
    --graphs nanotrackv3 --benchmark tinytlp --data_dir TinyTLP
"""

import os
import sys
import time
from pathlib import Path

import numpy as np
from absl import flags

from acm_jax import model_flags, sequence_flags
from acm_jax.evaluation import benchmarks, tables, toolkits
from acm_jax.evaluation.truth import Truth
from acm_jax.host import command
from acm_jax.tracking.video_tracker import VideoTracker
from benchmarks.onnx_tracker import OnnxNanoTrack


def define(values: flags.FlagValues) -> None:
  """Defines the command's flags on `values`."""
  model_flags.define(values)
  for name, text in (
    ('graphs', 'Folder of nanotrack_backbone.onnx and nanotrack_head.onnx.'),
    ('benchmark', 'Benchmark of the sequences.'),
    ('data_dir', "Benchmark's root folder."),
  ):
    flags.DEFINE_string(name, None, text, required=True, flag_values=values)
  text = 'Number of rounds; the table shows the median speed.'
  flags.DEFINE_integer('rounds', 3, text, flag_values=values)
  sequence_flags.define(values)


def main(values: flags.FlagValues) -> None:
  """Tracks with both trackers in turns, and prints a table."""
  benchmark, root = benchmarks.get(values.benchmark), Path(values.data_dir)
  sequences = sequence_flags.find(values, benchmark, root)
  model = model_flags.load(values)
  ours, theirs = VideoTracker(model), OnnxNanoTrack(Path(values.graphs))

  def with_onnx(frames, box_xywh):
    theirs.init(frames[0], box_xywh)
    return [box_xywh, *map(theirs.update, frames[1:])]

  def with_jax(frames, box_xywh):
    return [each.box for (each,) in ours.track(frames, box_xywh[None])]

  trackers = {model.name: with_jax, 'NanoTrackV3 in onnxruntime': with_onnx}
  rates = {name: [] for name in trackers}
  overlaps = {name: [] for name in trackers}
  for sequence in sequences:
    frames = [sequence.frame(i) for i in range(len(sequence))]
    first = sequence.box_xywh[0]
    # Compile before timing.
    with_jax(frames[:3], first)
    tracked = {}
    for _ in range(values.rounds):
      for name, track in trackers.items():
        begun = time.perf_counter()
        tracked[name] = track(frames, first)
        seconds = time.perf_counter() - begun
        rates[name].append(len(frames) / seconds)
    # All rounds have the same boxes.
    for name, boxes in tracked.items():
      boxes = np.stack(boxes).astype(np.float64)
      overlap = toolkits.rated_overlaps(boxes, Truth.of(sequence)).mean()
      overlaps[name].append(overlap)
  rows = [
    [name, f'{np.median(rates[name]):.1f}', f'{np.mean(overlaps[name]):.4f}']
    for name in trackers
  ]
  cores = len(os.sched_getaffinity(0))
  heading = f'{len(sequences)} sequences, {cores} cores'
  tables.show([['tracker', 'frames/s', 'AO'], *rows], heading)


if __name__ == '__main__':
  sys.exit(command.run(define, main, __doc__))
