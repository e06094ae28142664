"""Writes clip sets: context crops of targets, sharded, with an index.

A crop has the target's box at its centre and the scale at which the template
crop, `CONTEXT_AMOUNT` round the box, is `TEMPLATE_SIZE` px.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from acm_jax.geometry import boxes, context
from data_pipelines import clip_set, host_tensorflow
from data_pipelines.progress import progress
from data_pipelines.staging import staged

TEMPLATE_SIZE = 127
CONTEXT_AMOUNT = 0.5
_SHARD_BYTES = 128 << 20
# A TFRecord is a length (8 bytes), its checksum (4), the data, its checksum.
_RECORD_HEAD, _RECORD_TAIL = 12, 4


class Track(NamedTuple):
  """One target in one video, as it goes into a clip set.

  Attributes:
    name: For messages.
    box_xywh: Box in each frame, px, 0-based.
    visible: Frames that are used; the others are dropped and counted.
    frame_number: Position in the source's video, ascending.
    read: Gives the RGB image of frame i.
  """

  name: str
  box_xywh: Float[np.ndarray, 'n 4']
  visible: Bool[np.ndarray, 'n']
  frame_number: Int[np.ndarray, 'n']
  read: Callable[[int], UInt8[np.ndarray, 'h w 3']]


def clip_crop(
  image: UInt8[np.ndarray, 'h w 3'],
  box_xywh: Float[np.ndarray, '4'],
  crop_size: int = 511,
) -> tuple[UInt8[np.ndarray, 'c c 3'], Float[np.ndarray, '4']]:
  """The square round a target in which the template crop has 127 px.

  The centre of the box's pixels becomes the centre of the crop's; what lies
  outside the image has the image's mean colour.

  Args:
    image: RGB.
    box_xywh: Target, px, 0-based, with an area.
    crop_size: Side of the crop, px.

  Returns:
    The crop, and the target's box cx, cy, w, h in it, px.

  Source: SiamFC (arXiv:1606.09549), section 3.2.
  """
  size = box_xywh[2:].astype(float)
  scale = TEMPLATE_SIZE / context.context_side(*size, CONTEXT_AMOUNT)
  middle = (crop_size - 1) / 2
  x, y = middle - scale * boxes.pixel_center(box_xywh.astype(float))
  crop = cv2.warpAffine(
    image,
    np.array([[scale, 0, x], [0, scale, y]]),
    (crop_size, crop_size),
    borderMode=cv2.BORDER_CONSTANT,
    borderValue=image.mean(axis=(0, 1)).tolist(),
  )
  box = np.array([middle, middle, *(size * scale)], np.float32)
  return crop, box


def write(
  tracks: Iterable[Track],
  out: Path,
  *,
  total: int | None = None,
  crop_size: int = 511,
  quality: int = 92,
  settings: dict[str, Any] | None = None,
  replace: bool = False,
) -> dict[str, Any]:
  """Writes a clip set; the folder appears whole at the end.

  Args:
    tracks: What to write, read once.
    out: Folder of the clip set.
    total: How many tracks there are, for the progress that is shown.
    crop_size: Side of the crops, px.
    quality: Of the JPEGs, 0 to 100.
    settings: What the tracks were made from, kept in the manifest.
    replace: Whether a clip set of that name is replaced.

  Returns:
    The manifest.

  Raises:
    RuntimeError: TensorFlow is missing.
    ValueError: `out` exists, a frame cannot be decoded, or no frame is left.
  """
  with staged(out, replace) as folder:
    with _Writer(folder) as writer:
      for track in progress(tracks, out.name, total, 'tracks'):
        _write_track(writer, track, crop_size, quality)
    if not writer.columns['track_first']:
      raise ValueError(f'{out}: no track has a frame with a visible box')
    dtypes = {'box': np.float32, 'track_name': np.str_}
    columns = {
      name: np.array(values, dtypes.get(name, np.int64))
      for name, values in writer.columns.items()
    }
    np.savez(folder / 'index.npz', **columns)
    manifest = {
      'version': clip_set.VERSION,
      'template_size': TEMPLATE_SIZE,
      'context_amount': CONTEXT_AMOUNT,
      'crop_size': crop_size,
      'quality': quality,
      'shards': writer.shards,
      'tracks': len(columns['track_first']),
      'frames': len(columns['offset']),
      'dropped': dict(writer.dropped),
      'settings': settings or {},
    }
    text = json.dumps(manifest, indent=2)
    (folder / 'manifest.json').write_text(text + '\n')
  return manifest


class _Writer:
  """Shards of TFRecords and the columns of the index."""

  def __init__(self, folder: Path):
    self._folder = folder
    self._tf = host_tensorflow.load()
    self._file = None
    self._position = 0
    self.shards: list[str] = []
    self.dropped: Counter[str] = Counter(absent=0, degenerate=0)
    self.columns: dict[str, list] = {name: [] for name in clip_set.COLUMNS}

  def __enter__(self):
    return self

  def __exit__(self, *_):
    if self._file is not None:
      self._file.close()

  def add(self, name: str, jpegs: list, box: list, numbers: list) -> None:
    if self._file is None or self._position > _SHARD_BYTES:
      self._next_shard()
    data = self._example(name, jpegs, box, numbers)
    columns, end = self.columns, 0
    columns['track_first'].append(len(columns['offset']))
    columns['track_count'].append(len(jpegs))
    columns['track_name'].append(name)
    columns['box'] += box
    columns['frame_number'] += numbers
    for jpeg in jpegs:
      begin = data.index(jpeg, end)
      end = begin + len(jpeg)
      columns['shard'].append(len(self.shards) - 1)
      columns['offset'].append(self._position + _RECORD_HEAD + begin)
      columns['length'].append(len(jpeg))
    self._file.write(data)
    self._position += _RECORD_HEAD + len(data) + _RECORD_TAIL

  def _next_shard(self) -> None:
    if self._file is not None:
      self._file.close()
    self.shards.append(f'clips-{len(self.shards):05d}.tfrecord')
    path = self._folder / self.shards[-1]
    self._file, self._position = self._tf.io.TFRecordWriter(str(path)), 0

  def _example(self, name, jpegs, box, numbers) -> bytes:
    train = self._tf.train
    flat = np.ravel(box).tolist()
    features = {
      'name': train.Feature(bytes_list=train.BytesList(value=[name.encode()])),
      'jpeg': train.Feature(bytes_list=train.BytesList(value=jpegs)),
      'box': train.Feature(float_list=train.FloatList(value=flat)),
      'frame_number': train.Feature(int64_list=train.Int64List(value=numbers)),
    }
    example = train.Example(features=train.Features(feature=features))
    return example.SerializeToString(deterministic=True)


def _write_track(writer: _Writer, track: Track, crop_size: int, quality: int):
  jpegs, kept_boxes, numbers = [], [], []
  flags = [cv2.IMWRITE_JPEG_QUALITY, quality]
  for i, box in enumerate(track.box_xywh):
    if not track.visible[i]:
      writer.dropped['absent'] += 1
      continue
    if not (np.isfinite(box).all() and (box[2:] >= 1).all()):
      writer.dropped['degenerate'] += 1
      continue
    crop, crop_box = clip_crop(track.read(i), box, crop_size)
    bgr = cv2.cvtColor(crop, cv2.COLOR_RGB2BGR)
    jpegs.append(cv2.imencode('.jpg', bgr, flags)[1].tobytes())
    kept_boxes.append(crop_box)
    numbers.append(int(track.frame_number[i]))
  if jpegs:
    writer.add(track.name, jpegs, kept_boxes, numbers)
