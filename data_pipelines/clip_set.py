"""Clip sets, the record that training reads: crops of targets as JPEG.

A clip set is a folder of

    clips-00000.tfrecord ...  a tf.train.Example a track: name, and for each
                              frame the JPEG of the crop, its number, its box
    index.npz                 where every JPEG lies in its shard, boxes, frame
                              numbers, and which frames make a track
    manifest.json             settings, counts, what was dropped and why

The index allows random reads of single frames, for which TensorFlow is not
needed. `clips.write` makes clip sets.
"""

import json
import os
import weakref
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

VERSION = 2
# Of the index: a value for each frame, then a value for each track.
COLUMNS = ('shard', 'offset', 'length', 'box', 'frame_number')
COLUMNS += ('track_first', 'track_count', 'track_name')


def read_manifest(folder: Path) -> dict[str, Any]:
  """The manifest of a clip set.

  Raises:
    FileNotFoundError: There is none, so that `folder` is no clip set.
    ValueError: It is of another version of this format or not JSON.
  """
  path = folder / 'manifest.json'
  if not path.is_file():
    raise FileNotFoundError(f'{folder}: no clip set (manifest.json is missing)')
  try:
    manifest = json.loads(path.read_text())
  except json.JSONDecodeError as error:
    raise ValueError(f'{path}: not JSON ({error}); write it again') from None
  if manifest.get('version') != VERSION:
    raise ValueError(
      f'{path}: version {manifest.get("version")}, not {VERSION}; '
      'write the clip set again'
    )
  return manifest


def _read_index(path: Path) -> dict[str, np.ndarray]:
  try:
    # Opened here, for np.load leaves a damaged file open.
    with path.open('rb') as file, np.load(file) as index:
      return {name: index[name] for name in COLUMNS}
  except (zipfile.BadZipFile, EOFError, KeyError, ValueError) as error:
    raise ValueError(f'{path}: damaged; write the clip set again') from error


class ClipSet:
  """Random access to the frames of a clip set, without TensorFlow.

  Attributes:
    folder: Where it lies.
    crop_size: Side of the crops, px.
    box: Target in each crop, cx, cy, w, h, px.
    frame_number: Position of each frame in its video, ascending in a track.
    track_first: First frame of each track.
    track_count: Frames of each track.
    track_name: For messages.
  """

  def __init__(self, folder: Path, in_memory: bool = False):
    """Opens a clip set.

    Args:
      folder: What `write` wrote.
      in_memory: Whether all shards are read now and kept.

    Raises:
      FileNotFoundError: The folder or a file in it is missing.
      ValueError: It was written by another version, or its index is damaged.
    """
    manifest = read_manifest(folder)
    self.folder = folder
    self.crop_size: int = manifest['crop_size']
    columns = _read_index(folder / 'index.npz')
    self._shard, self._offset = columns['shard'], columns['offset']
    self._length = columns['length']
    self.box: Float[np.ndarray, 'n 4'] = columns['box']
    self.frame_number: Int[np.ndarray, 'n'] = columns['frame_number']
    self.track_first: Int[np.ndarray, 't'] = columns['track_first']
    self.track_count: Int[np.ndarray, 't'] = columns['track_count']
    self.track_name: np.ndarray = columns['track_name']
    self._bytes: list[bytes] = []
    self._files: list[int] = []
    for name in manifest['shards']:
      if in_memory:
        self._bytes.append((folder / name).read_bytes())
      else:
        self._files.append(os.open(folder / name, os.O_RDONLY))
        weakref.finalize(self, os.close, self._files[-1])

  def jpeg(self, frame: int) -> bytes:
    """The JPEG of a frame.

    Raises:
      ValueError: It is truncated.
    """
    shard, start = self._shard[frame], int(self._offset[frame])
    length = int(self._length[frame])
    if self._bytes:
      data = self._bytes[shard][start : start + length]
    else:
      data = os.pread(self._files[shard], length, start)
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
