"""Common interface of clip sets and composed sets, which training reads.

A clip set stores JPEG crops around targets. A composed set renders such crops
on demand.
"""

from types import ModuleType
from typing import Any, Protocol, runtime_checkable

import numpy as np
from etils import epath
from jaxtyping import Float, Int

from data_pipelines import clip_set, manifests
from data_pipelines.clip_set import ClipSet
from data_pipelines.composed import library
from data_pipelines.composed.composed_set import ComposedSet


@runtime_checkable
class TrainingSet(Protocol):
  """Random access to context crops of targets.

  Attributes:
    folder: Path of the set.
    crop_size: Side of the crops, px.
    stride: Sampling step: a track has every `stride`-th frame of its video.
    cheap_reads: Whether reading a crop needs neither a remote request nor
      rendering.
    crop_bytes: Mean size of a stored crop, bytes; 0 if crops are rendered.
    box: Box of the target in each crop: cx, cy, w, h, px.
    frame_number: Position of each frame in its video, ascending in a track.
    track_first: Index of each track's first frame.
    track_count: Number of frames in each track.
    track_name: Name of each track, for messages.
    track_video: Index of each track's video, ascending.
    track_category: Class of each track's target; empty if unknown.
    track_objects: IDs of the objects that each track can show, one row per
      track: the target first, then other objects. Rows with fewer objects are
      padded with -1. Tracks with an ID in common can show the same object.
  """

  folder: epath.Path
  crop_size: int
  stride: int
  cheap_reads: bool
  crop_bytes: float
  box: Float[np.ndarray, 'n 4']
  frame_number: Int[np.ndarray, 'n']
  track_first: Int[np.ndarray, 't']
  track_count: Int[np.ndarray, 't']
  track_name: np.ndarray
  track_video: Int[np.ndarray, 't']
  track_category: np.ndarray
  track_objects: Int[np.ndarray, 't k']

  def jpeg(self, frame: int, side: int) -> bytes:
    """Returns the crop of a frame, or only the crop's centre, as JPEG.

    Args:
      frame: Index of the frame in the set.
      side: Side of the central square that the caller needs, px. The JPEG holds
        at least this square. The square decodes to the same pixels as it would
        from a JPEG of the whole crop.

    Raises:
      ValueError: The frame is damaged.
    """

  def jpeg_error(self, frame: int) -> ValueError:
    """Returns the error to raise if the JPEG of a frame cannot be decoded."""

  def origins(self) -> np.ndarray:
    """Returns the name of what each track was made from.

    Tracks with the same name, in this or in another set, resemble each other
    and are not independent samples.
    """


def open_set(folder: epath.PathLike, in_memory: bool = False) -> TrainingSet:
  """Opens a clip set or a composed set.

  The manifest in the folder tells whether the set is a clip set or composed.

  Args:
    folder: Path of the set, local or at an address that etils.epath supports.
    in_memory: Whether to load a clip set into memory now; has no effect on a
      composed set.

  Raises:
    FileNotFoundError: The folder or a file in it is missing.
    ValueError: The set has an unknown kind or an unsupported version, or a file
      has changed since the set was written.
  """
  if _is_composed(folder):
    return ComposedSet(folder)
  return ClipSet(folder, in_memory)


def read_manifest(folder: epath.PathLike) -> dict[str, Any]:
  """Returns the manifest of a clip set or a composed set.

  Raises:
    FileNotFoundError: The folder has no manifest.
    ValueError: The manifest has an unknown kind or an unsupported version, or
      is not JSON.
  """
  return _reader(folder).read_manifest(folder)


def read_names(folder: epath.PathLike) -> list[str]:
  """Returns the names of a set's contents, without opening the whole set.

  A clip set has the names of its tracks. A composed set has the names of its
  objects, of its photographs and of the photographs' folders.

  Raises:
    FileNotFoundError: The folder or a file in it is missing.
    ValueError: The set has an unknown kind or an unsupported version, or is
      damaged.
  """
  return _reader(folder).read_names(folder)


def _reader(folder: epath.PathLike) -> ModuleType:
  """Returns the module that reads the manifest and the names of a set."""
  return library if _is_composed(folder) else clip_set


def _is_composed(folder: epath.PathLike) -> bool:
  return manifests.kind_of(manifests.load(folder)) == library.KIND
