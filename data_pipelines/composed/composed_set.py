"""Composed sequences as training reads them: crops by number, as JPEG."""

import functools
import itertools

import cv2
import numpy as np
from etils import epath
from jaxtyping import Float, Int

from acm_jax.datasets import crops
from data_pipelines.composed import library as libraries
from data_pipelines.composed import plan as plans
from data_pipelines.composed.cast import Cast
from data_pipelines.composed.library import Library
from data_pipelines.composed.plan import Plan
from data_pipelines.composed.render import render

# Side of what a JPEG codes together, colours at half the resolution, px.
_BLOCK = 16


class ComposedSet:
  """Random access to the frames of a composed set, which are drawn then.

  Attributes:
    folder: Where it lies.
    crop_size: Side of the crops, px.
    stride: Every how many frames of its tracks one was taken: all.
    at_hand: Whether a crop is given without much work: it is drawn.
    box: Target in each crop, cx, cy, w, h, px.
    frame_number: Position of each frame in its sequence.
    track_first: First frame of each track, which is a sequence.
    track_count: Frames of each track.
    track_name: For messages.
    track_video: Number of each track's video: its own.
    track_category: Class of each track's target; empty if unknown.
    track_objects: Numbers of the objects that each track can show, the
      target's first, then -1 where there are fewer.
  """

  def __init__(self, folder: epath.PathLike):
    """Opens a composed set: reads its library and draws objects and boxes.

    Args:
      folder: Where it lies, here or at an address that etils.epath knows.

    Raises:
      FileNotFoundError: The folder or a file in it is missing.
      ValueError: It was written by another version, or a file is damaged.
    """
    self.folder = epath.Path(folder)
    manifest = libraries.read_manifest(self.folder)
    self._library = library = Library(self.folder)
    self.crop_size: int = manifest['crop_size']
    self.stride, self.at_hand = 1, False
    count, frames = manifest['sequences'], manifest['frames']
    settings = (library, Cast(library), manifest['seed'])

    # What else than boxes a sequence has takes longer, and is kept.
    @functools.cache
    def plan(number: int) -> Plan:
      return plans.make(*settings, number, frames)

    self._plan = plan
    drawn = [
      plans.make_box(*settings, number, frames) for number in range(count)
    ]
    objects, boxes = zip(*drawn, strict=True)
    size = np.concatenate(boxes)[:, 2:]
    size = size * crops.scale_of(size)[:, None]
    self.box: Float[np.ndarray, 'n 4'] = crops.center_box(size, self.crop_size)
    numbers = np.arange(count)
    self.frame_number: Int[np.ndarray, 'n'] = np.tile(np.arange(frames), count)
    self.track_first: Int[np.ndarray, 't'] = frames * numbers
    self.track_count: Int[np.ndarray, 't'] = np.full(count, frames)
    self.track_video: Int[np.ndarray, 't'] = numbers
    rows = itertools.zip_longest(*objects, fillvalue=-1)
    self.track_objects: Int[np.ndarray, 't k'] = np.array(list(rows)).T
    targets = self.track_objects[:, 0]
    self.track_category: np.ndarray = library.object_category[targets]
    self.track_name = np.array([f'composed-{number:05d}' for number in numbers])

  def jpeg(self, frame: int, room: int | None = None) -> bytes:
    """Draws a frame and gives the JPEG of it or of its middle.

    Args:
      frame: Its number.
      room: Side of the middle that is wanted, px; the crop's if not given. A
        little more is coded, so that its pixels are those of a whole JPEG.

    Raises:
      ValueError: A picture of the library cannot be decoded.
    """
    number, t = divmod(int(frame), int(self.track_count[0]))
    plan = self._plan(number)
    side = _coded_side(self.crop_size, room or self.crop_size)
    bgr = render(self._library, plan, t, self.crop_size).bgr
    coded = slice(first := (self.crop_size - side) // 2, first + side)
    bgr = bgr[coded, coded]
    flags = [cv2.IMWRITE_JPEG_QUALITY, int(plan.quality[t])]
    return cv2.imencode('.jpg', bgr, flags)[1].tobytes()

  def broken(self, frame: int) -> ValueError:
    """The error for a frame whose JPEG cannot be used."""
    number, t = divmod(int(frame), int(self.track_count[0]))
    return ValueError(
      f'{self.folder}: frame {t} of {self.track_name[number]} cannot be '
      'decoded; write the folder again'
    )


def _coded_side(crop_size: int, room: int) -> int:
  """Returns how much of a crop's middle a JPEG must hold for its room.

  It begins at a block of the whole crop's JPEG and holds every block that the
  room has a part in, and those beside them, whose colours run over the edge by
  a pixel of theirs.
  """
  corner = (crop_size - room) // 2
  first = (corner - _BLOCK - 2) // _BLOCK * _BLOCK
  return room + 2 * (corner - first) if first >= 0 else crop_size
