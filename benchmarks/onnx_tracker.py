"""NanoTrackV3 from its published graphs in onnxruntime, on a CPU.

The graphs are nanotrack_backbone.onnx and nanotrack_head.onnx in
NanoTrack/models/nanotrackv3 of github.com/HonglinChu/SiamTrackers.

As a program, the module is a process that times a tracking step; see
`acm_jax.timing.worker.Worker`. Its arguments are the folder of the graphs, and
height and width of the frame, px. benchmarks/onnx_step.py starts it.

Source: the tracker around the graphs is that of SiamBAN (arXiv:2003.06761).
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime

from acm_jax.timing import scene
from acm_jax.timing.worker import serve
from benchmarks.numpy_trackers import (
  TEMPLATE_SIZE,
  BoxTracker,
  Hparams,
  Points,
)

SEARCH, STRIDE, CELLS = 255, 16, 15
# Hyper-parameters of the published NanoTrackV3.
HPARAMS = Hparams(penalty_k=0.138, window_influence=0.455, size_lr=0.348)


class OnnxNanoTrack(BoxTracker):
  """NanoTrackV3 in onnxruntime, on one thread, and NumPy. Frames are RGB."""

  def __init__(self, folder: Path):
    """Loads the graphs from a folder."""
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


def _session(graph: onnx.ModelProto) -> onnxruntime.InferenceSession:
  options = onnxruntime.SessionOptions()
  options.intra_op_num_threads = 1
  return onnxruntime.InferenceSession(
    graph.SerializeToString(), options, providers=['CPUExecutionProvider']
  )


def _image(crop):
  """Converts a crop from RGB [h h 3] to BGR [1 3 h h], float32."""
  bgr = crop[:, :, ::-1].transpose(2, 0, 1)[None]
  return np.ascontiguousarray(bgr, np.float32)


def _prepare() -> tuple[str, Callable[[int], float]]:
  """Returns what `serve` needs."""
  cv2.setNumThreads(1)
  folder, *size = sys.argv[1:]
  frame = scene.frame(tuple(map(int, size)))
  tracker = OnnxNanoTrack(Path(folder))
  tracker.init(frame, np.array(scene.BOX_XYWH))
  first = tracker.center, tracker.size

  def seconds(calls):
    begun = time.perf_counter()
    for _ in range(calls):
      # All calls start from the same box.
      tracker.center, tracker.size = first
      tracker.update(frame)
    return (time.perf_counter() - begun) / calls

  return f'onnxruntime {onnxruntime.__version__}', seconds


if __name__ == '__main__':
  serve(_prepare)
