"""Clip sets, the record that training reads: crops of targets as JPEG.

A clip set is a folder of

    clips-00000.tfrecord ...  a tf.train.Example a clip: its track's name, and
                              for each frame the crop's JPEG, its number, box
    index/*.npy               where every JPEG lies in its shard, boxes, frame
                              numbers, and which frames make a track
    manifest.json             settings, counts, what was dropped and why, size
                              and checksum of every other file

The index allows random reads of single frames, for which TensorFlow is not
needed; of a folder on this machine it stays on the disk. `clip_writer` makes
clip sets.
"""

import io
import os
from typing import Any

import numpy as np
from etils import epath
from jaxtyping import Float, Int

from acm_jax.host.staging import is_here
from data_pipelines import manifests

VERSION = 4
INDEX = 'index'
# Of the index: a value for each frame, then a value for each track.
COLUMNS = ('shard', 'offset', 'length', 'box', 'frame_number')
COLUMNS += ('track_first', 'track_count', 'track_name', 'track_video')
COLUMNS += ('track_category',)


def read_manifest(folder: epath.PathLike) -> dict[str, Any]:
  """The manifest of a clip set.

  Raises:
    FileNotFoundError: There is none, so that `folder` is no clip set.
    ValueError: It is of another kind or version, or not JSON.
  """
  return manifests.read(folder, 'clips', VERSION)


def read_names(folder: epath.PathLike) -> list[str]:
  """Returns the names of the tracks of a clip set.

  Raises:
    FileNotFoundError: The folder or a file in it is missing.
    ValueError: It was written by another version, or is damaged.
  """
  read_manifest(folder)
  return _column(epath.Path(folder) / INDEX / 'track_name.npy').tolist()


def _column(path: epath.Path) -> np.ndarray:
  """A column of the index; it stays on the disk if that is here."""
  try:
    if is_here(path):
      # A plain view: a memmap's own indexing is slow.
      return np.load(os.fspath(path), mmap_mode='r').view(np.ndarray)
    return np.load(io.BytesIO(path.read_bytes()))
  except (EOFError, ValueError) as error:
    raise ValueError(f'{path}: damaged; write the clip set again') from error


def _span(path: str, start: int, length: int) -> bytes:
  """Part of a file, opened every time: a set may have more than can be open."""
  if not is_here(path):
    with epath.Path(path).open('rb') as file:
      file.seek(start)
      return file.read(length)
  # Half the time of a file object's.
  descriptor = os.open(path, os.O_RDONLY)
  try:
    return os.pread(descriptor, length, start)
  finally:
    os.close(descriptor)


class ClipSet:
  """Random access to the frames of a clip set, without TensorFlow.

  Attributes:
    folder: Where it lies.
    crop_size: Side of the crops, px.
    stride: Every how many frames of its tracks one was taken.
    at_hand: Whether it lies on this machine, so that reads do not wait.
    box: Target in each crop, cx, cy, w, h, px.
    frame_number: Position of each frame in its video, ascending in a track.
    track_first: First frame of each track.
    track_count: Frames of each track.
    track_name: For messages.
    track_video: Number of each track's video, ascending.
    track_category: Class of each track's target; empty if unknown.
    track_objects: Number of the object that each track shows: its own.
  """

  def __init__(self, folder: epath.PathLike, in_memory: bool = False):
    """Opens a clip set.

    Args:
      folder: Where it lies, here or at an address that etils.epath knows.
      in_memory: Whether all shards are read now and kept.

    Raises:
      FileNotFoundError: The folder or a file in it is missing.
      ValueError: It was written by another version, or a file of it does not
        have the size that it was written with.
    """
    self.folder = epath.Path(folder)
    manifest = read_manifest(self.folder)
    manifests.check_sizes(self.folder, manifest)
    self.crop_size: int = manifest['crop_size']
    self.stride: int = manifest['stride']
    self.at_hand = is_here(self.folder)
    columns = {
      name: _column(self.folder / INDEX / f'{name}.npy') for name in COLUMNS
    }
    self._shard, self._offset = columns['shard'], columns['offset']
    self._length = columns['length']
    self.box: Float[np.ndarray, 'n 4'] = columns['box']
    self.frame_number: Int[np.ndarray, 'n'] = columns['frame_number']
    self.track_first: Int[np.ndarray, 't'] = columns['track_first']
    self.track_count: Int[np.ndarray, 't'] = columns['track_count']
    self.track_name: np.ndarray = columns['track_name']
    self.track_video: Int[np.ndarray, 't'] = columns['track_video']
    self.track_category: np.ndarray = columns['track_category']
    tracks = len(self.track_first)
    self.track_objects: Int[np.ndarray, 't 1'] = np.arange(tracks)[:, None]
    self._shards = [os.fspath(self.folder / s) for s in manifest['shards']]
    self._bytes: list[bytes] = []
    if in_memory:
      self._bytes = [epath.Path(path).read_bytes() for path in self._shards]

  def jpeg(self, frame: int, room: int | None = None) -> bytes:
    """The JPEG of a frame.

    Args:
      frame: Its number.
      room: Nothing depends on it: JPEGs are given as they were written.

    Raises:
      ValueError: It is truncated.
    """
    shard, start = self._shard[frame], int(self._offset[frame])
    length = int(self._length[frame])
    if self._bytes:
      data = self._bytes[shard][start : start + length]
    else:
      data = _span(self._shards[shard], start, length)
    whole = data.startswith(b'\xff\xd8') and data.endswith(b'\xff\xd9')
    if len(data) != length or not whole:
      raise self.broken(frame)
    return data

  def broken(self, frame: int) -> ValueError:
    """The error for a frame whose JPEG cannot be used."""
    track = np.searchsorted(self.track_first, frame, side='right') - 1
    return ValueError(
      f'{self.folder}: JPEG of track {track} ({self.track_name[track]}), frame '
      f'{self.frame_number[frame]}, is truncated or damaged; '
      'write the clip set again'
    )


def verify(folder: epath.PathLike) -> None:
  """Makes sure that every file of a clip set is as it was written.

  Raises:
    FileNotFoundError: The folder or a file in it is missing.
    ValueError: A file is another one; the message names it.
  """
  manifests.verify(folder, read_manifest(folder))
