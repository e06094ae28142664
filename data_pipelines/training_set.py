"""What training reads, whatever kind it is: clip sets and composed sets."""

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
    folder: Where it lies.
    crop_size: Side of the crops, px.
    stride: Every how many frames of its tracks one was taken.
    at_hand: Whether a crop is given at once, without waiting for another
      machine and without much work.
    box: Target in each crop, cx, cy, w, h, px.
    frame_number: Position of each frame in its video, ascending in a track.
    track_first: First frame of each track.
    track_count: Frames of each track.
    track_name: For messages.
    track_video: Number of each track's video, ascending.
    track_category: Class of each track's target; empty if unknown.
    track_objects: Numbers of the objects that each track can show, the
      target's first, then -1 where there are fewer.
  """

  folder: epath.Path
  crop_size: int
  stride: int
  at_hand: bool
  box: Float[np.ndarray, 'n 4']
  frame_number: Int[np.ndarray, 'n']
  track_first: Int[np.ndarray, 't']
  track_count: Int[np.ndarray, 't']
  track_name: np.ndarray
  track_video: Int[np.ndarray, 't']
  track_category: np.ndarray
  track_objects: Int[np.ndarray, 't k']

  def jpeg(self, frame: int, room: int) -> bytes:
    """Returns the JPEG of a frame, or of its middle.

    Args:
      frame: Its number.
      room: Side of the middle that is wanted, px. Whether it is cut out of the
        JPEG's or of the whole crop's middle makes no difference.

    Raises:
      ValueError: It is damaged.
    """

  def broken(self, frame: int) -> ValueError:
    """The error for a frame whose JPEG cannot be used."""


def open_set(folder: epath.PathLike, in_memory: bool = False) -> TrainingSet:
  """Opens a set of the kind that its manifest names.

  Args:
    folder: Where it lies, here or at an address that etils.epath knows.
    in_memory: Whether all of a clip set is read now and kept.

  Raises:
    FileNotFoundError: The folder or a file in it is missing.
    ValueError: It is of an unknown kind or another version, or a file of it is
      not as it was written.
  """
  if _is_composed(folder):
    return ComposedSet(folder)
  return ClipSet(folder, in_memory)


def read_manifest(folder: epath.PathLike) -> dict[str, Any]:
  """Returns the manifest of a set of either kind.

  Raises:
    FileNotFoundError: There is none.
    ValueError: It is of an unknown kind or another version, or not JSON.
  """
  return _reader(folder).read_manifest(folder)


def read_names(folder: epath.PathLike) -> list[str]:
  """Returns the names of what a set shows, without opening all of it.

  They are those of a clip set's tracks, and of a composed set's objects,
  photographs and folders of photographs.

  Raises:
    FileNotFoundError: The folder or a file in it is missing.
    ValueError: It is of an unknown kind or another version, or damaged.
  """
  return _reader(folder).read_names(folder)


def _reader(folder: epath.PathLike) -> ModuleType:
  """Returns the module that reads what describes a set."""
  return library if _is_composed(folder) else clip_set


def _is_composed(folder: epath.PathLike) -> bool:
  return manifests.kind_of(manifests.load(folder)) == library.KIND
