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

import cv2
import numpy as np
import onnx
import onnxruntime
from absl import flags

from acm_jax import model_flags, sequence_flags
from acm_jax.evaluation import benchmarks, tables, toolkits
from acm_jax.evaluation.truth import Truth
from acm_jax.host import command
from acm_jax.tracking.video_tracker import VideoTracker

TEMPLATE, SEARCH, STRIDE, CELLS = 127, 255, 16, 15
# Hyper-parameters of the published NanoTrackV3.
PENALTY_K, WINDOW_INFLUENCE, SIZE_LR = 0.138, 0.455, 0.348


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


class OnnxNanoTrack:
  """NanoTrackV3 in onnxruntime and NumPy. Images are RGB."""

  def __init__(self, folder: Path):
    """Loads the graphs."""
    backbone = onnx.load(folder / 'nanotrack_backbone.onnx')
    self._of_search = _session(backbone)
    # The published graph takes search crops only.
    shape = backbone.graph.input[0].type.tensor_type.shape
    for axis in (2, 3):
      shape.dim[axis].dim_value = TEMPLATE
    del backbone.graph.output[0].type.tensor_type.shape.dim[:]
    self._of_template = _session(backbone)
    self._head = _session(onnx.load(folder / 'nanotrack_head.onnx'))
    line = np.arange(CELLS) * STRIDE - CELLS // 2 * STRIDE
    self._x, self._y = map(np.ravel, np.meshgrid(line, line))
    self._window = np.outer(np.hanning(CELLS), np.hanning(CELLS)).ravel()

  def init(self, image: np.ndarray, box_xywh: np.ndarray) -> None:
    """Starts tracking a target."""
    x, y, w, h = box_xywh
    self._center = np.array([x + (w - 1) / 2, y + (h - 1) / 2])
    self._size = np.array([w, h])
    self._fill = image.mean(axis=(0, 1))
    crop = self._crop(image, TEMPLATE)
    (self._template,) = self._of_template.run(None, {'input': crop})

  def update(self, image: np.ndarray) -> np.ndarray:
    """Returns the box x, y, w, h in the next image, px."""
    crop = self._crop(image, SEARCH)
    (features,) = self._of_search.run(None, {'input': crop})
    cls, loc = self._head.run(
      None, {'input1': self._template, 'input2': features}
    )
    logits = cls.reshape(2, -1)
    score = 1 / (1 + np.exp(logits[0] - logits[1]))
    left, top, right, bottom = loc.reshape(4, -1)
    scale = TEMPLATE / self._side()
    width, height = left + right, top + bottom
    padded = _padded_side(width, height)
    before = _padded_side(*(self._size * scale))
    change = np.maximum(padded / before, before / padded)
    ratio = self._size[0] / self._size[1] / (width / height)
    change = change * np.maximum(ratio, 1 / ratio)
    penalty = np.exp((1 - change) * PENALTY_K)
    ranked = penalty * score * (1 - WINDOW_INFLUENCE)
    best = np.argmax(ranked + self._window * WINDOW_INFLUENCE)
    offset = [
      self._x[best] + (right[best] - left[best]) / 2,
      self._y[best] + (bottom[best] - top[best]) / 2,
    ]
    rate = penalty[best] * score[best] * SIZE_LR
    found = np.array([width[best], height[best]]) / scale
    limit = image.shape[1::-1]
    self._center = np.clip(self._center + np.array(offset) / scale, 0, limit)
    self._size = np.clip(self._size * (1 - rate) + found * rate, 10, limit)
    return np.concatenate([self._center - self._size / 2, self._size])

  def _side(self) -> float:
    return _padded_side(*self._size)

  def _crop(self, image, size):
    """Returns a square crop around the target, resized to [1 3 size size]."""
    side = max(1, round(self._side() * size / TEMPLATE))
    low = np.floor(self._center - (side + 1) / 2 + 0.5).astype(int)
    high = low + side
    h, w = image.shape[:2]
    inside = image[max(low[1], 0) : high[1], max(low[0], 0) : high[0]]
    pads = *(-low[::-1]), *(high[::-1] - (h, w))
    top, left, bottom, right = np.maximum(pads, 0).tolist()
    if top or left or bottom or right:
      inside = cv2.copyMakeBorder(
        inside,
        top,
        bottom,
        left,
        right,
        cv2.BORDER_CONSTANT,
        value=self._fill.tolist(),
      )
    crop = cv2.resize(inside, (size, size))[:, :, ::-1]
    return np.ascontiguousarray(crop.transpose(2, 0, 1)[None], np.float32)


def _padded_side(width, height):
  """Returns the side of a box with context."""
  context = (width + height) / 2
  return np.sqrt((width + context) * (height + context))


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
