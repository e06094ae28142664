"""Composed sets: sequences rendered on demand, as JPEG crops of the target."""

import functools
import itertools
from collections.abc import Iterator

import cv2
import numpy as np
from etils import epath
from jaxtyping import Float, Int, UInt8

from acm_jax.datasets import crops
from data_pipelines import manifests
from data_pipelines.composed import library as libraries
from data_pipelines.composed import plan as plans
from data_pipelines.composed.cast import Cast
from data_pipelines.composed.library import Library
from data_pipelines.composed.plan import Plan
from data_pipelines.composed.render import render

# Side of a coding block of a JPEG with colours at half resolution, px.
_BLOCK = 16


class ComposedSet:
  """Random access to the frames of a composed set, rendered on demand.

  Attributes:
    folder: Path of the set.
    crop_size: Side of the crops, px.
    stride: Sampling step, always 1: a track has all frames of its sequence.
    cheap_reads: Whether reads are fast; always False, since every crop must be
      rendered.
    crop_bytes: Size of a stored crop, always 0.
    box: Box of the target in each crop: cx, cy, w, h, px.
    frame_number: Position of each frame in its sequence.
    track_first: Index of each track's first frame; each track is one sequence.
    track_count: Number of frames in each track.
    track_name: Name of each track, for messages.
    track_video: Index of each track's video, equal to the index of the track.
    track_category: Class of each track's target; empty if unknown.
    track_objects: IDs of the objects that each track can show, one row per
      track: the target first, then other objects. Rows with fewer objects are
      padded with -1. An ID is the object's index in the library.
  """

  def __init__(self, folder: epath.PathLike):
    """Reads the library of a composed set and samples all boxes.

    Args:
      folder: Path of the set, local or at an address that etils.epath supports.

    Raises:
      FileNotFoundError: The folder or a file in it is missing.
      ValueError: The folder holds another kind of data or has an unsupported
        format version, or a file is damaged.
    """
    self.folder = epath.Path(folder)
    manifest = libraries.read_manifest(self.folder)
    self._library = library = Library(self.folder)
    self.crop_size: int = manifest['crop_size']
    self.stride, self.cheap_reads = 1, False
    self.crop_bytes = 0.0
    count, frames = manifest['sequences'], manifest['frames']
    cast, seed = Cast(library), manifest['seed']

    # A sequence is planned when it is first read, since planning takes longer
    # than sampling only the boxes.
    @functools.cache
    def plan(number: int) -> Plan:
      return plans.make(library, cast, seed, number, frames)

    self._plan = plan
    drawn = [
      plans.make_box(library, cast, seed, number, frames)
      for number in range(count)
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

  def jpeg(self, frame: int, side: int | None = None) -> bytes:
    """Renders the crop of a frame, or only the centre of the crop, as JPEG.

    Args:
      frame: Index of the frame in the set.
      side: Side of the central square that the caller needs, px (default: the
        whole crop). The JPEG shows a margin around the square: with the margin,
        the square decodes to the same pixels as in the JPEG of the whole crop.

    Raises:
      ValueError: A picture of the library cannot be decoded.
    """
    number, t = divmod(int(frame), int(self.track_count[0]))
    plan = self._plan(number)
    coded_side = _coded_side(self.crop_size, side or self.crop_size)
    bgr = render(self._library, plan, t, self.crop_size).bgr
    first = (self.crop_size - coded_side) // 2
    bgr = bgr[first : first + coded_side, first : first + coded_side]
    return _encoded(bgr, plan.quality[t])

  def video(
    self, track: int
  ) -> tuple[Iterator[bytes], Float[np.ndarray, 't 4']]:
    """Renders whole frames of a sequence, which show what the camera sees.

    Args:
      track: Index of the sequence.

    Returns:
      The frames as JPEGs, rendered one after the other; and the target's box in
      each frame, x, y, w, h, px, 0-based, including its hidden parts.

    Raises:
      ValueError: A picture of the library cannot be decoded.
    """
    plan = self._plan(track)
    jpegs = (
      _encoded(render(self._library, plan, t).bgr, quality)
      for t, quality in enumerate(plan.quality)
    )
    center, size = plan.box[:, :2] - plan.window[:, :2], plan.box[:, 2:]
    return jpegs, np.concatenate([center - (size - 1) / 2, size], axis=1)

  def jpeg_error(self, frame: int) -> ValueError:
    """Returns the error to raise if the JPEG of a frame cannot be decoded."""
    number, t = divmod(int(frame), int(self.track_count[0]))
    return ValueError(
      f'{self.folder}: frame {t} of {self.track_name[number]} cannot be '
      f'decoded; {manifests.ADVICE}'
    )

  def origins(self) -> np.ndarray:
    """Returns the name of the object that each track shows as its target."""
    return self._library.object_name[self.track_objects[:, 0]]


def _encoded(bgr: UInt8[np.ndarray, 'h w 3'], quality: np.integer) -> bytes:
  flags = [cv2.IMWRITE_JPEG_QUALITY, int(quality)]
  return cv2.imencode('.jpg', bgr, flags)[1].tobytes()


def _coded_side(crop_size: int, side: int) -> int:
  """Returns the side of the square that must be encoded as JPEG, px.

  The requested square and the encoded square are both at the centre of the
  crop. The requested square must decode to the same pixels as in the JPEG of
  the whole crop. Therefore, the top left corner of the encoded square is that
  of a block in this JPEG, and the encoded square contains all blocks that
  overlap the requested square. It also contains the blocks around these, since
  a decoder that upsamples the colours reads one pixel beyond a block's edge.

  Args:
    crop_size: Side of the whole crop, px.
    side: Side of the requested square, px.
  """
  corner = (crop_size - side) // 2
  first = (corner - _BLOCK - 2) // _BLOCK * _BLOCK
  return side + 2 * (corner - first) if first >= 0 else crop_size
