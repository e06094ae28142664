"""Compares a model's speed with NanoTrackV3's published graphs in onnxruntime.

Both track the same decoded frames in turns, in one process. The model uses all
cores that the process may use, and onnxruntime one thread, which is faster for
graphs as small as these. The frames/s (median over sequences and rounds,
without decoding and compilation) and the average overlap of both are printed.

The graphs are nanotrack_backbone.onnx and nanotrack_head.onnx in
NanoTrack/models/nanotrackv3 of github.com/HonglinChu/SiamTrackers.

Example (on one core; `pip install onnx onnxruntime` first):
  PYTHONPATH=. taskset -c 0 python benchmarks/onnx_nanotrack.py \\
    --graphs nanotrackv3 --benchmark tinytlp --data_dir TinyTLP

Source: the tracker around the graphs is that of SiamBAN (arXiv:2003.06761).
"""

import os
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from absl import flags

from acm_jax import model_flags, sequence_flags
from acm_jax.evaluation import benchmarks, tables, toolkits
from acm_jax.evaluation.truth import Truth
from acm_jax.host import command
from acm_jax.tracking.video_tracker import VideoTracker
from benchmarks.numpy_trackers import (
  TEMPLATE_SIZE,
  BoxTracker,
  Hparams,
  Points,
)

SEARCH, STRIDE, CELLS = 255, 16, 15
# Hyper-parameters of the published NanoTrackV3.
HPARAMS = Hparams(penalty_k=0.138, window_influence=0.455, size_lr=0.348)


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


def _session(graph: onnx.ModelProto) -> onnxruntime.InferenceSession:
  options = onnxruntime.SessionOptions()
  options.intra_op_num_threads = 1
  return onnxruntime.InferenceSession(
    graph.SerializeToString(), options, providers=['CPUExecutionProvider']
  )


class OnnxNanoTrack(BoxTracker):
  """NanoTrackV3 in onnxruntime and NumPy. Frames are RGB."""

  def __init__(self, folder: Path):
    """Loads the graphs."""
    backbone = onnx.load(folder / 'nanotrack_backbone.onnx')
    self._of_search = _session(backbone)
    # The published graph takes search crops only.
    shape = backbone.graph.input[0].type.tensor_type.shape
    for axis in (2, 3):
      shape.dim[axis].dim_value = TEMPLATE_SIZE
    del backbone.graph.output[0].type.tensor_type.shape.dim[:]
    self._of_template = _session(backbone)
    self._head = _session(onnx.load(folder / 'nanotrack_head.onnx'))
    super().__init__(
      self._encode_template, self._run, Points(CELLS, STRIDE), SEARCH, HPARAMS
    )

  def _encode_template(self, template, box_size):
    inputs = {'input': _image(template)}
    (self._template,) = self._of_template.run(None, inputs)

  def _run(self, search):
    (features,) = self._of_search.run(None, {'input': _image(search)})
    cls, loc = self._head.run(
      None, {'input1': self._template, 'input2': features}
    )
    return cls.reshape(2, -1), loc.reshape(4, -1)


def _image(crop):
  """Converts a crop from RGB [h h 3] to BGR [1 3 h h], float32."""
  bgr = crop[:, :, ::-1].transpose(2, 0, 1)[None]
  return np.ascontiguousarray(bgr, np.float32)


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
