"""Composed sequences as training reads them: crops by number, as JPEG."""

import cv2
import numpy as np
from etils import epath
from jaxtyping import Float, Int

from data_pipelines import crops
from data_pipelines.composed import library as libraries
from data_pipelines.composed import plan as plans
from data_pipelines.composed.cast import Cast
from data_pipelines.composed.library import Library
from data_pipelines.composed.render import render


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
    track_category: Class of each track's target.
    track_object: Number of the object that each track shows.
  """

  def __init__(self, folder: epath.PathLike):
    """Opens a composed set: reads its library and draws up its sequences.

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
    cast = Cast(library)
    self._plans = [
      plans.make(library, cast, manifest['seed'], number, frames)
      for number in range(count)
    ]
    boxes = np.concatenate([plan.box for plan in self._plans])
    self.box: Float[np.ndarray, 'n 4'] = np.stack(
      [
        crops.center_box(size * crops.scale_of(size), self.crop_size)
        for size in boxes[:, 2:]
      ]
    )
    numbers = np.arange(count)
    self.frame_number: Int[np.ndarray, 'n'] = np.tile(np.arange(frames), count)
    self.track_first: Int[np.ndarray, 't'] = frames * numbers
    self.track_count: Int[np.ndarray, 't'] = np.full(count, frames)
    self.track_video: Int[np.ndarray, 't'] = numbers
    self.track_object: Int[np.ndarray, 't'] = library.cutout_object[
      [plan.target.cutout[0] for plan in self._plans]
    ]
    self.track_category: np.ndarray = library.object_category[self.track_object]
    self.track_name = np.array([f'composed-{number:05d}' for number in numbers])

  def jpeg(self, frame: int) -> bytes:
    """Draws a frame and gives its JPEG.

    Raises:
      ValueError: A picture of the library cannot be decoded.
    """
    number, t = divmod(int(frame), int(self.track_count[0]))
    plan = self._plans[number]
    bgr = render(self._library, plan, t, self.crop_size).bgr
    flags = [cv2.IMWRITE_JPEG_QUALITY, plan.quality]
    return cv2.imencode('.jpg', bgr, flags)[1].tobytes()

  def broken(self, frame: int) -> ValueError:
    """The error for a frame whose JPEG cannot be used."""
    number, t = divmod(int(frame), int(self.track_count[0]))
    return ValueError(
      f'{self.folder}: frame {t} of {self.track_name[number]} cannot be '
      'decoded; write the folder again'
    )
