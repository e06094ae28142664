"""Clip sets: context crops of targets as JPEG, in the form that training reads.

A clip set is a folder of

    clips-00000.tfrecord ...  shards: one tf.train.Example per clip (up to 64
                              frames of a track), with the track's name and,
                              for each frame, the crop as JPEG, the frame
                              number and the box
    index/*.npy               for each frame: box, frame number, and the shard
                              and position of the JPEG; for each track: first
                              frame, number of frames, name, video and class
    manifest.json             settings; numbers of tracks, of frames and of
                              omitted frames; size and checksum of every other
                              file

The index allows random reads of single frames without TensorFlow. In a local
folder, the index is memory-mapped rather than loaded. `clip_writer` writes clip
sets.
"""

import io
import os
from typing import Any

import numpy as np
from etils import epath
from jaxtyping import Float, Int

from acm_jax.host.staging import is_local
from data_pipelines import manifests

VERSION = 4
INDEX = 'index'
# Columns of the index: five with a value per frame, five with one per track.
COLUMNS = ('shard', 'offset', 'length', 'box', 'frame_number')
COLUMNS += ('track_first', 'track_count', 'track_name', 'track_video')
COLUMNS += ('track_category',)


def read_manifest(folder: epath.PathLike) -> dict[str, Any]:
  """Returns the manifest of a clip set.

  Raises:
    FileNotFoundError: The folder has no manifest, so it is not a clip set.
    ValueError: The manifest describes another kind of data, has an unsupported
      version, or is not JSON.
  """
  return manifests.read(folder, 'clips', VERSION)


def read_names(folder: epath.PathLike) -> list[str]:
  """Returns the names of the tracks of a clip set.

  Raises:
    FileNotFoundError: The folder or a file in it is missing.
    ValueError: The clip set has an unsupported version or is damaged.
  """
  read_manifest(folder)
  return _column(epath.Path(folder) / INDEX / 'track_name.npy').tolist()


def _column(path: epath.Path) -> np.ndarray:
  """Opens a column of the index, memory-mapped if the file is local."""
  try:
    if is_local(path):
      # View the memmap as a plain array, which is faster to index.
      return np.load(os.fspath(path), mmap_mode='r').view(np.ndarray)
    return np.load(io.BytesIO(path.read_bytes()))
  except (EOFError, ValueError) as error:
    raise ValueError(f'{path}: damaged; {manifests.ADVICE}') from error


def _source(manifest: dict[str, Any]) -> str:
  """Returns the data sets that a clip set was written from, '' if unknown."""
  return ','.join(
    f'{name}:{settings["source"]}'
    for name, settings in manifest['settings'].items()
    if 'source' in settings
  )


def _span(path: str, start: int, length: int) -> bytes:
  """Reads part of a file.

  The file is opened and closed each time, since a set may have more files than
  a process can keep open.
  """
  if not is_local(path):
    with epath.Path(path).open('rb') as file:
      file.seek(start)
      return file.read(length)
  # `os.pread` takes half the time of reading through a file object.
  descriptor = os.open(path, os.O_RDONLY)
  try:
    return os.pread(descriptor, length, start)
  finally:
    os.close(descriptor)


class ClipSet:
  """Random access to the frames of a clip set, without TensorFlow.

  Attributes:
    folder: Path of the clip set.
    crop_size: Side of the crops, px.
    stride: Sampling step: a track has every `stride`-th frame of its video.
    cheap_reads: Whether reads are fast, which they are if the set is local.
    box: Box of the target in each crop: cx, cy, w, h, px.
    frame_number: Position of each frame in its video, ascending in a track.
    track_first: Index of each track's first frame.
    track_count: Number of frames in each track.
    track_name: Name of each track, for messages.
    track_video: Index of each track's video, ascending.
    track_category: Class of each track's target; empty if unknown.
    track_objects: ID of the object that each track shows: the track's index,
      since every track counts as a different object.
  """

  def __init__(self, folder: epath.PathLike, in_memory: bool = False):
    """Opens a clip set.

    Args:
      folder: Path of the set, local or at an address that etils.epath supports.
      in_memory: Whether to read all shards now and keep them in memory.

    Raises:
      FileNotFoundError: The folder or a file in it is missing.
      ValueError: The clip set has an unsupported version, or the size of a file
        has changed since the set was written.
    """
    self.folder = epath.Path(folder)
    manifest = read_manifest(self.folder)
    manifests.check_sizes(self.folder, manifest)
    self.crop_size: int = manifest['crop_size']
    self.stride: int = manifest['stride']
    self.cheap_reads = is_local(self.folder)
    self._source = _source(manifest) or os.fspath(self.folder)
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

  @property
  def crop_bytes(self) -> float:
    """Mean size of a crop, bytes."""
    return float(self._length.mean())

  def jpeg(self, frame: int, side: int | None = None) -> bytes:
    """Returns the JPEG of a frame.

    Args:
      frame: Index of the frame in the set.
      side: Side of the central square that the caller needs, px. Ignored: the
        JPEG always shows the whole crop.

    Raises:
      ValueError: The JPEG is truncated.
    """
    shard, start = self._shard[frame], int(self._offset[frame])
    length = int(self._length[frame])
    if self._bytes:
      data = self._bytes[shard][start : start + length]
    else:
      data = _span(self._shards[shard], start, length)
    complete = data.startswith(b'\xff\xd8') and data.endswith(b'\xff\xd9')
    if len(data) != length or not complete:
      raise self.jpeg_error(frame)
    return data

  def jpeg_error(self, frame: int) -> ValueError:
    """Returns the error to raise if the JPEG of a frame cannot be decoded."""
    track = np.searchsorted(self.track_first, frame, side='right') - 1
    return ValueError(
      f'{self.folder}: JPEG of track {track} ({self.track_name[track]}), frame '
      f'{self.frame_number[frame]}, is truncated or damaged; '
      f'{manifests.ADVICE}'
    )

  def origins(self) -> np.ndarray:
    """Returns the source and the video of each track.

    A video has the name of its first track. If the manifest does not name the
    source, the path of the set takes its place.
    """
    first = np.searchsorted(self.track_video, self.track_video)
    return np.char.add(f'{self._source}/', self.track_name[first])


def describe(folder: epath.PathLike) -> str:
  """Returns warnings about a clip set, and a summary, one per line.

  Raises:
    FileNotFoundError: The folder has no manifest.
    ValueError: The manifest is damaged; see `read_manifest`.
  """
  manifest = read_manifest(folder)
  left_out = ', '.join(
    f'{count} {reason}' for reason, count in sorted(manifest['dropped'].items())
  )
  summary = (
    f'{manifest["frames"]} frames of {manifest["tracks"]} tracks in {folder}; '
    f'left out: {left_out or "none"}'
  )
  warnings = [f'warning: {problem}' for problem in manifest['problems']]
  return '\n'.join([*warnings, summary])


def verify(folder: epath.PathLike) -> None:
  """Checks the size and the checksum of every file of a clip set.

  Raises:
    FileNotFoundError: The folder or a file in it is missing.
    ValueError: A file does not have the size or the checksum that the manifest
      lists; the message names the file.
  """
  manifests.verify(folder, read_manifest(folder))
