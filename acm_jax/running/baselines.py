"""Trackers that any other should beat, driven as a trained one is."""

import abc
import ctypes
from collections.abc import Callable, Mapping

import cv2
import numpy as np
from jaxtyping import Float, Num, UInt8

from acm_jax.tracking.contract import Tracked
from acm_jax.tracking.engine import Programs, given


class Baseline(abc.ABC):
  """A tracker of one target; images are RGB, boxes px, 0-based."""

  @abc.abstractmethod
  def init(
    self, image: UInt8[np.ndarray, 'h w 3'], box_xywh: Num[np.ndarray, '4']
  ) -> None:
    """Takes a target by its box."""

  @abc.abstractmethod
  def update(self, image: UInt8[np.ndarray, 'h w 3']) -> Float[np.ndarray, '4']:
    """Gives its box in the next image."""


class FirstBox(Baseline):
  """The first box, repeated."""

  def init(self, image, box_xywh):
    self._box_xywh = np.asarray(box_xywh, np.float64)

  def update(self, image):
    return self._box_xywh


class Mil(Baseline):
  """OpenCV's multiple instance learning tracker.

  It keeps the size of the first box and works on whole pixels. A frame in
  which it fails repeats the box before. The same frames give the same boxes.

  Source: Babenko et al., CVPR 2009.
  """

  def init(self, image, box_xywh):
    # It draws its features from C's rand, which OpenCV's own seed does not
    # reach.
    ctypes.CDLL(None).srand(1)
    self._tracker = cv2.TrackerMIL.create()
    box = tuple(int(v) for v in np.rint(box_xywh))
    self._tracker.init(_bgr(image), box)
    self._latest = np.asarray(box_xywh, np.float64)

  def update(self, image):
    found, box = self._tracker.update(_bgr(image))
    if found:
      self._latest = np.asarray(box, np.float64)
    return self._latest


def _bgr(image):
  return np.ascontiguousarray(image[..., ::-1])


BASELINES: dict[str, type[Baseline]] = {'first_box': FirstBox, 'mil': Mil}


class BaselineFollower:
  """One lane for the scheduler, in which a baseline follows its target.

  A step is done when it is fetched, so that one in vain costs nothing.
  """

  lanes = 1

  def __init__(self, name: str):
    """Makes the lane of a baseline.

    Raises:
      ValueError: There is none of that name; the message lists the known.
    """
    if name not in BASELINES:
      known = ', '.join(BASELINES)
      raise ValueError(f'--baseline: no {name!r}; there are {known}')
    self.programs, self.about = Programs(), {'baseline': name}
    self._baseline = BASELINES[name]()

  def start(
    self, image: np.ndarray, boxes_xywh: Mapping[int, np.ndarray]
  ) -> None:
    """Gives the lane its target."""
    (box_xywh,) = boxes_xywh.values()
    self._baseline.init(image, box_xywh)

  def advance(
    self, images: Mapping[int, np.ndarray]
  ) -> Callable[[], dict[int, Tracked]]:
    """Moves it by a frame, when what it returns is called."""
    ((lane, image),) = images.items()

    def fetch():
      found = given(np.zeros(4))
      return {lane: found.replace(box_xywh=self._baseline.update(image))}

    return fetch
