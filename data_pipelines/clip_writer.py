"""Writes clip sets: first the shards, then one index of all shards.

A shard depends only on its tracks and on the settings for cutting them. Next to
each shard is a temporary file with the shard's part of the index. This file is
written after the shard, so a shard with such a file is complete. Interrupted
work can therefore resume, and several processes can write at the same time.
"""

import io
import itertools
import json
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from etils import epath

from acm_jax.datasets import crops
from acm_jax.datasets.track import Track
from acm_jax.host.progress import Progress
from acm_jax.host.staging import replacing, staged
from data_pipelines import clip_set, clips, manifests
from data_pipelines.clips import Clip, Cut, Report
from data_pipelines.record_writer import RecordWriter

_TRACKS_PER_SHARD = 64


def write(
  tracks: Iterable[Track],
  out: Path,
  *,
  total: int | None = None,
  cut: Cut | None = None,
  settings: dict[str, Any] | None = None,
  replace: bool = False,
) -> dict[str, Any]:
  """Writes a clip set; the folder appears only when it is complete.

  Args:
    tracks: Tracks to write; iterated over once.
    out: Folder of the clip set.
    total: Number of tracks, for the progress display.
    cut: Settings for cutting the tracks into clips (default: `Cut()`).
    settings: Description of where the tracks are from, for the manifest.
    replace: Whether to replace an existing folder.

  Returns:
    The manifest.

  Raises:
    ValueError: `out` exists and `replace` is false, no frame of any track is
      usable, or a track is invalid (see `write_shard`).
  """
  cut, waiting = cut or Cut(), iter(tracks)
  with (
    staged(out, replace) as folder,
    Progress(out.name, total, 'tracks') as shown,
  ):
    number = done = 0
    while batch := list(itertools.islice(waiting, _TRACKS_PER_SHARD)):
      write_shard(folder, number, batch, cut)
      number, done = number + 1, done + len(batch)
      shown.update(done)
    manifest = merge(folder, number, cut, settings or {}, named=out)
    remove_parts(folder, number)
    return manifest


def shard_name(number: int) -> str:
  """Returns the file name of a shard."""
  return f'clips-{number:05d}.tfrecord'


def part_name(number: int) -> str:
  """Returns the name of the file that holds a shard's part of the index."""
  return f'part-{number:05d}.npz'


def write_shard(
  folder: epath.PathLike, number: int, tracks: Iterable[Track], cut: Cut
) -> None:
  """Writes a shard and its part of the index.

  Args:
    folder: Output folder, local or at an address that etils.epath supports.
    number: Number of the shard.
    tracks: Tracks of the shard; iterated over once.
    cut: Settings for cutting the tracks into clips.

  Raises:
    ValueError: The images of a track are already crops, but not of the size
      `cut.crop_size`; or two tracks have the same name.
  """
  folder, report, seen = epath.Path(folder), Report(), set()
  with replacing(folder / shard_name(number)) as path:
    with path.open('wb') as file:
      records = _Records(file)
      for track in tracks:
        if track.cropped and cut.crop_size != crops.CROP_SIZE:
          raise ValueError(
            f'{track.name}: the images are already crops of '
            f'{crops.CROP_SIZE} px, not {cut.crop_size}; set '
            f'`crop_size`={crops.CROP_SIZE}'
          )
        if track.name in seen:
          raise ValueError(
            f'{track.name}: two tracks have this name; rename one'
          )
        seen.add(track.name)
        records.begin(track)
        for clip in clips.cut(track, cut, report):
          records.add(clip)
    summary = {
      'dropped': dict(report.dropped),
      'problems': report.problems,
      **manifests.fingerprint(path),
    }
  with (
    replacing(folder / part_name(number)) as path,
    path.open('wb') as file,
  ):
    np.savez(file, report=np.array(json.dumps(summary)), **records.columns())


def is_whole(folder: epath.PathLike, number: int) -> bool:
  """Returns whether a shard and its part of the index are complete.

  A shard is incomplete if an image could not be read, because the image may
  have been repaired since.
  """
  part, shard = (
    epath.Path(folder) / name
    for name in (part_name(number), shard_name(number))
  )
  if not (part.exists() and shard.exists()):
    return False
  try:
    with np.load(io.BytesIO(part.read_bytes())) as columns:
      summary = json.loads(str(columns['report']))
  # The file is truncated if a process was killed or the power failed.
  except (OSError, ValueError, KeyError, zipfile.BadZipFile):
    return False
  complete = shard.stat().length == summary['bytes']
  return complete and not summary['problems']


def merge(
  folder: epath.PathLike,
  shards: int,
  cut: Cut,
  settings: dict[str, Any],
  named: epath.PathLike,
) -> dict[str, Any]:
  """Merges the shards' parts of the index, then writes the manifest.

  Args:
    folder: Folder that holds the shards and their parts of the index.
    shards: Number of shards.
    cut: Settings with which the tracks were cut into clips.
    settings: Description of where the tracks are from, for the manifest.
    named: Final path of the folder, for messages.

  Returns:
    The manifest.

  Raises:
    ValueError: The shards hold no frame. Their parts are removed, so that the
      shards are written again when the cause is repaired.
  """
  folder, report = epath.Path(folder), Report()
  parts, files = [], {}
  for number in range(shards):
    data = io.BytesIO((folder / part_name(number)).read_bytes())
    with np.load(data) as part:
      summary = json.loads(str(part['report']))
      parts.append({name: part[name] for name in clip_set.COLUMNS})
    files[shard_name(number)] = {k: summary[k] for k in ('bytes', 'sha256')}
    report.dropped.update(summary['dropped'])
    report.problems += summary['problems']
  del report.problems[clips.MOST_PROBLEMS :]
  frames = sum(len(part['offset']) for part in parts)
  if not frames:
    remove_parts(folder, shards)
    raise ValueError(
      f'{named}: no track has a frame to write: {report.cause()}'
    )
  files |= _write_index(folder, parts)
  manifest = {
    'version': clip_set.VERSION,
    'template_size': crops.TEMPLATE_SIZE,
    'context_amount': crops.CONTEXT_AMOUNT,
    'crop_size': cut.crop_size,
    'quality': cut.quality,
    'stride': cut.stride,
    'shards': [shard_name(number) for number in range(shards)],
    'tracks': sum(len(part['track_count']) for part in parts),
    'frames': frames,
    'dropped': dict(report.dropped),
    'problems': report.problems,
    'files': files,
    'settings': settings,
  }
  manifests.write(folder, manifest)
  return manifest


def remove_parts(folder: epath.PathLike, shards: int) -> None:
  """Removes the files that `merge` reads: the shards' parts of the index."""
  for number in range(shards):
    (epath.Path(folder) / part_name(number)).unlink(missing_ok=True)


def _write_index(
  folder: epath.Path, parts: Sequence[dict[str, np.ndarray]]
) -> dict[str, dict]:
  """Writes the index, one memory-mappable file per column.

  Args:
    folder: Folder of the clip set.
    parts: Columns of the index, one mapping per shard.

  Returns:
    Dictionary from names of the written files to their manifest entries.
  """
  index = folder / clip_set.INDEX
  index.mkdir(exist_ok=True)
  before = np.cumsum([0] + [len(part['offset']) for part in parts])
  files = {}
  for name in clip_set.COLUMNS:
    values = [part[name] for part in parts]
    if name == 'track_first':
      values = [v + n for v, n in zip(values, before, strict=False)]
    elif name == 'shard':
      values = [np.full(len(v), i, v.dtype) for i, v in enumerate(values)]
    elif name == 'track_video':
      counts = [v[-1] + 1 if len(v) else 0 for v in values]
      videos = np.cumsum([0, *counts])
      values = [v + n for v, n in zip(values, videos, strict=False)]
    with replacing(index / f'{name}.npy') as path:
      # In memory first: NumPy does not tell why a file cannot be written.
      column = io.BytesIO()
      np.save(column, np.concatenate(values))
      path.write_bytes(column.getbuffer())
      files[f'{clip_set.INDEX}/{name}.npy'] = manifests.fingerprint(path)
  return files


_DTYPES = {
  'shard': np.int32,
  'box': np.float32,
  'length': np.int32,
  'frame_number': np.int32,
  'track_count': np.int32,
  'track_video': np.int32,
  'track_name': np.str_,
  'track_category': np.str_,
}


class _Records:
  """Writes a shard, and collects the columns of its part of the index."""

  def __init__(self, file: io.BufferedIOBase):
    self._records = RecordWriter(file)
    self._track: Track | None = None
    self._videos: dict[str, int] = {}
    self._columns: dict[str, list] = {name: [] for name in clip_set.COLUMNS}

  def begin(self, track: Track) -> None:
    """Starts a track; all clips up to the next call belong to this track."""
    self._track = track

  def add(self, clip: Clip) -> None:
    """Writes a clip of the current track."""
    columns = self._columns
    if self._track is not None:
      video = self._track.video or self._track.name
      columns['track_first'].append(len(columns['offset']))
      columns['track_count'].append(0)
      columns['track_name'].append(self._track.name)
      columns['track_category'].append(self._track.category)
      columns['track_video'].append(
        self._videos.setdefault(video, len(self._videos))
      )
      self._track = None
    positions = self._records.write(
      {
        'name': [clip.track.encode()],
        'jpeg': clip.jpegs,
        'box': np.array(clip.boxes, np.float32),
        'frame_number': np.array(clip.numbers, np.int64),
      }
    )
    columns['track_count'][-1] += len(clip.jpegs)
    columns['box'] += clip.boxes
    columns['frame_number'] += clip.numbers
    columns['shard'] += [0] * len(clip.jpegs)
    columns['offset'] += positions['jpeg']
    columns['length'] += map(len, clip.jpegs)

  def columns(self) -> dict[str, np.ndarray]:
    """Returns the columns of the index; `merge` fills the column 'shard'."""
    shapes = {'box': (-1, 4)}
    return {
      name: np.array(values, _DTYPES.get(name, np.int64)).reshape(
        shapes.get(name, -1)
      )
      for name, values in self._columns.items()
    }
