"""Frame-by-frame tracking with an exported tracker."""

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int

from acm_jax.exported import contract as contracts
from acm_jax.exported.contract import Contract
from acm_jax.exported.crop import mean_color, square_crop
from acm_jax.exported.runtimes import RUNTIMES, Run
from acm_jax.geometry import squares
from acm_jax.tracking import inputs
from acm_jax.tracking.inputs import Box, Boxes, Image
from acm_jax.tracking.result import Result


class _Target(NamedTuple):
  """State of a target.

  Attributes:
    carried: Inputs of the graph `search` that earlier outputs determine: the
      kernel and the state.
    squares: Squares of the next search crops: first column, first row, side.
    fill: Colour of crop pixels outside the frame.
  """

  carried: dict[str, Any]
  squares: Int[np.ndarray, 's 3']
  fill: Int[np.ndarray, '3']


class ExportedTracker:
  """Tracks targets in video with the graphs of an exported tracker.

  It has the methods of `VideoTracker`, but does not import JAX.

      tracker = exported.load('small_onnx')
      tracker.init(image, (120, 80, 60, 40))
      box = tracker.update(image).box

  Images are RGB, uint8 [h, w, 3], and may differ in size.

  Attributes:
    contract: Contract of the graphs.
  """

  def __init__(self, contract: Contract, template: Run, search: Run):
    """Creates a tracker without a target.

    Args:
      contract: Contract of the graphs.
      template: Function that runs the graph `template`.
      search: Function that runs the graph `search`.
    """
    self.contract = contract
    self._template, self._search = template, search
    self._target: _Target | None = None

  def init(self, image: Image, box: Box) -> None:
    """Starts tracking a target, given its box in the first frame.

    The target replaces any previous one. A warning is logged if the box is
    smaller than `Contract.smallest_side`.

    Args:
      image: First frame.
      box: x, y, w, h, px, 0-based.

    Raises:
      ValueError: The image is not RGB of uint8; or the box is not four finite
        numbers, is less than a pixel wide or high, or does not overlap the
        image.
    """
    self._target = None
    box_xywh = inputs.as_array(box)
    inputs.check_image(image)
    self._target = self._start(image, box_xywh)
    inputs.warn_if_small(box_xywh, self.contract.smallest_side, 'target 0')

  def update(self, image: Image) -> Result:
    """Finds the target in the next frame.

    Raises:
      RuntimeError: The tracker has no target yet.
      ValueError: The image is not RGB of uint8.
    """
    if self._target is None:
      raise RuntimeError(
        'the tracker has no target; call init(image, box) before update(image)'
      )
    inputs.check_image(image)
    self._target, result = self._find(image, self._target)
    return result

  def track(
    self, frames: Iterable[Image], boxes: Boxes, *, ahead: int = 0
  ) -> Iterator[list[Result]]:
    """Tracks n targets through a video.

    The target of `init` and `update` is not affected. A warning is logged for
    each box that is smaller than `Contract.smallest_side`.

    Args:
      frames: RGB frames; their size may change.
      boxes: Box x, y, w, h of each target in the first frame, px, 0-based.
      ahead: For compatibility with `VideoTracker.track`; frames are never read
        ahead.

    Yields:
      Results of all targets, frame by frame. Results of the first frame are the
      given boxes, with a score of 1.

    Raises:
      ValueError: The video is empty, a frame is not RGB of uint8, or a box
        cannot be tracked.
    """
    del ahead
    boxes_xywh, targets = inputs.as_boxes(boxes), []
    for number, image in enumerate(frames):
      try:
        inputs.check_image(image)
      except ValueError as error:
        raise ValueError(f'frame {number} (counted from 0): {error}') from None
      if number == 0:
        targets = [self._start(image, box) for box in boxes_xywh]
        for target, box in enumerate(boxes_xywh):
          smallest = self.contract.smallest_side
          inputs.warn_if_small(box, smallest, f'target {target}')
        yield [Result(box, 1.0, False, 1.0) for box in boxes_xywh]
        continue
      found = [self._find(image, target) for target in targets]
      targets = [target for target, _ in found]
      yield [result for _, result in found]
    if not targets:
      raise ValueError('the video has no frames; pass at least one frame')

  def compile(self, image: Image, boxes: Boxes) -> None:
    """Does nothing: graphs are compiled already, unlike `VideoTracker`."""

  def clock(self) -> float:
    """Returns a time in seconds."""
    return time.monotonic()

  def _start(self, image: Image, box_xywh: np.ndarray) -> _Target:
    inputs.check_box(box_xywh, image.shape[:2])
    contract, fill = self.contract, mean_color(image)
    center, side = squares.of_template(
      box_xywh, contract.context_amount, contract.pixel_shift
    )
    square = np.array([*squares.corner(center, side), side], np.int32)
    crop = square_crop(image, square, contract.template_size, fill)
    outputs = self._template({'template': crop[None], 'box': box_xywh})
    names = contract.graphs['search'].inputs.keys() & outputs.keys()
    carried = {name: outputs[name] for name in names}
    return _Target(carried, outputs['squares'], fill)

  def _find(self, image: Image, target: _Target) -> tuple[_Target, Result]:
    size = self.contract.search_size
    crops = [
      square_crop(image, square, size, target.fill) for square in target.squares
    ]
    outputs = self._search(
      {
        'search': np.stack(crops),
        'frame_size': np.array(image.shape[:2], np.int32),
        **target.carried,
      }
    )
    target = target._replace(
      carried=target.carried | {'state': outputs['next_state']},
      squares=outputs['squares'],
    )
    result = Result(
      np.array(outputs['box']),
      float(outputs['score']),
      bool(outputs['lost']),
      float(outputs['margin']),
    )
    return target, result


def load(folder: str | Path, runtime: str | None = None) -> ExportedTracker:
  """Loads an exported tracker in the runtime of its format.

  Args:
    folder: Folder that `acm-jax export` wrote.
    runtime: Expected format of the export (default: any that can be loaded).

  Raises:
    FileNotFoundError: The folder or a file in it is missing.
    ValueError: A file is damaged, or the export has another format.
    RuntimeError: The runtime is not installed, or cannot load a graph.
  """
  folder = Path(folder).expanduser()
  contract = contracts.read(folder)
  if contract.format not in RUNTIMES:
    raise ValueError(
      f'{folder}: was exported as {contract.format}, which no runtime here '
      f'loads; export the tracker as {" or ".join(RUNTIMES)}'
    )
  if runtime not in (None, contract.format):
    raise ValueError(
      f'{folder}: was exported as {contract.format}, not as {runtime}; set '
      f'`runtime` to {contract.format}, or export the tracker as {runtime}'
    )
  graphs = {
    name: RUNTIMES[contract.format](folder / graph.file)
    for name, graph in contract.graphs.items()
  }
  return ExportedTracker(contract, **graphs)
