"""Baseline trackers, which run in the same scheduler as trained trackers."""

import abc
import contextlib
import ctypes
import re
from collections.abc import Callable, Mapping
from typing import ClassVar

import cv2
import numpy as np
from jaxtyping import Float, Num, UInt8

from acm_jax.tracking.contract import Tracked
from acm_jax.tracking.engine import initial_result
from acm_jax.tracking.programs import Programs

# Least (width - 1) * (height - 1) of a box that MIL can track, px.
_MIL_LEAST_AREA = 10


class BaselineError(RuntimeError):
  """Failure of a baseline on a target; the message gives the reason."""


class Baseline(abc.ABC):
  """Tracker of one target. Images are RGB; boxes are in px, 0-based."""

  @abc.abstractmethod
  def init(
    self, image: UInt8[np.ndarray, 'h w 3'], box_xywh: Num[np.ndarray, '4']
  ) -> None:
    """Starts tracking a target, given its box in an image.

    Raises:
      BaselineError: The baseline cannot track the target.
    """

  @abc.abstractmethod
  def update(
    self, image: UInt8[np.ndarray, 'h w 3']
  ) -> Float[np.ndarray, '4'] | None:
    """Returns the target's box in the next image, or None if it is lost.

    Raises:
      BaselineError: The baseline cannot track the target any further.
    """


class FirstBox(Baseline):
  """Baseline that repeats the first box in every frame."""

  def init(self, image, box_xywh):
    self._box_xywh = np.asarray(box_xywh, np.float64)

  def update(self, image):
    return self._box_xywh


class OpenCv(Baseline):
  """Tracker of OpenCV. Its first box is rounded to whole pixels."""

  # Name of the class in cv2.
  name: ClassVar[str]

  def __init__(self):
    """Creates the baseline.

    Raises:
      ValueError: The installed OpenCV does not have the tracker.
    """
    if not hasattr(cv2, self.name):
      raise ValueError(
        f'`baseline`: the installed OpenCV has no {self.name}; install '
        'opencv-contrib-python-headless in place of opencv-python-headless'
      )

  def init(self, image, box_xywh):
    box = tuple(int(v) for v in np.rint(box_xywh))
    if problem := self._problem(box, image.shape[1::-1]):
      raise BaselineError(problem)
    self._tracker = getattr(cv2, self.name).create()
    with self._naming_errors():
      self._tracker.init(_bgr(image), box)

  def update(self, image):
    with self._naming_errors():
      success, box = self._tracker.update(_bgr(image))
    box_xywh = np.asarray(box, np.float64)
    # A tracker may report success with an empty box.
    found = np.isfinite(box_xywh).all() and (box_xywh[2:] > 0).all()
    return box_xywh if success and found else None

  def _problem(
    self, box: tuple[int, int, int, int], size: tuple[int, int]
  ) -> str:
    """Describes why OpenCV cannot track a box; empty if nothing is known.

    OpenCV does not return from `init` with some of these boxes.

    Args:
      box: First box x, y, w, h, px.
      size: Width and height of the image, px.
    """
    del box, size
    return ''

  @contextlib.contextmanager
  def _naming_errors(self):
    try:
      yield
    except cv2.error as error:
      text = ' '.join(str(error).split())
      # Leave out the version and the source file.
      text = re.sub(r'^OpenCV\S* \S+ error: ', '', text)
      raise BaselineError(f"OpenCV's {self.name} stops with {text}") from None


class Mil(OpenCv):
  """Multiple instance learning; the box keeps its first size.

  Results are deterministic.

  Source: Babenko et al., CVPR 2009.
  """

  name = 'TrackerMIL'

  def _problem(self, box, size):
    x, y, w, h = box
    # OpenCV draws random features until they fit into the box, which never
    # happens if the box is too small. The limit was found by trying boxes.
    if (w - 1) * (h - 1) < _MIL_LEAST_AREA:
      return f"the box is too small for OpenCV's {self.name}"
    if min(x, y) < 0 or x + w > size[0] or y + h > size[1]:
      return (
        f"the box is not inside the frame, as OpenCV's {self.name} requires"
      )
    return ''

  def init(self, image, box_xywh):
    # OpenCV samples MIL's features with C's `rand`, which OpenCV's seed does
    # not control.
    ctypes.CDLL(None).srand(1)
    super().init(image, box_xywh)


class Csrt(OpenCv):
  """Correlation filters with channel and spatial reliability.

  Source: Lukežič et al., CVPR 2017.
  """

  name = 'TrackerCSRT'


class Kcf(OpenCv):
  """Kernelized correlation filters; the box keeps its first size.

  Source: Henriques et al., TPAMI 2015.
  """

  name = 'TrackerKCF'


def _bgr(image):
  return np.ascontiguousarray(image[..., ::-1])


BASELINES: dict[str, type[Baseline]] = {
  'first_box': FirstBox,
  'mil': Mil,
  'csrt': Csrt,
  'kcf': Kcf,
}


class BaselineFollower:
  """`Follower` that tracks one target at a time, with a baseline.

  The baseline runs on a frame only when the frame's result is fetched. A frame
  whose result is never fetched therefore takes no time. In a frame where the
  baseline loses the target, the previous box is repeated and reported as lost.
  The same applies to all frames from a failure of the baseline to the next
  start.
  """

  lanes = 1

  def __init__(self, baseline: str):
    """Creates the follower.

    Args:
      baseline: Name of the baseline, a key of `BASELINES`.

    Raises:
      ValueError: The name is unknown, or the installed OpenCV does not have the
        tracker.
    """
    if baseline not in BASELINES:
      known = ', '.join(BASELINES)
      raise ValueError(f'`baseline`={baseline!r}: unknown; choose from {known}')
    self.programs = Programs()
    self.about = {'baseline': baseline, 'opencv': cv2.__version__}
    self._baseline = BASELINES[baseline]()
    self._failures: list[str] = []

  def start(
    self, image: np.ndarray, boxes_xywh: Mapping[int, np.ndarray]
  ) -> None:
    """Starts tracking a target in the only lane."""
    (box_xywh,) = boxes_xywh.values()
    self._latest = np.asarray(box_xywh, np.float64)
    box = ','.join(f'{value:g}' for value in self._latest)
    height, width = image.shape[:2]
    self._target = f'the box {box} in a frame of {width} x {height} px'
    self._frame, self._failed = 0, False
    self._attempt(lambda: self._baseline.init(image, box_xywh))

  def advance(
    self, images: Mapping[int, np.ndarray]
  ) -> Callable[[], dict[int, Tracked]]:
    """Returns a function that, when called, tracks the target in the image.

    The function returns a dictionary from the lane to the result.
    """
    ((lane, image),) = images.items()

    def fetch():
      self._frame += 1
      box_xywh = self._attempt(lambda: self._baseline.update(image))
      if box_xywh is not None:
        self._latest = box_xywh
      lost = np.bool_(box_xywh is None)
      return {lane: initial_result(self._latest).replace(lost=lost)}

    return fetch

  def take_failures(self) -> list[str]:
    """Returns the reason of each failure since the last call."""
    taken, self._failures = self._failures, []
    return taken

  def _attempt(self, step):
    """Returns the result of a step; None from a failure on."""
    if self._failed:
      return None
    try:
      return step()
    except BaselineError as error:
      self._failed = True
      when = f'{self._frame} frames after' if self._frame else 'at'
      self._failures.append(f'{when} the start on {self._target}, {error}')
      return None
