"""Clip sets of procedural sequences; a set is written when first needed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from acm_jax.datasets import crops
from acm_jax.datasets.track import Track
from data_pipelines import clip_set, clip_writer, synthetic
from data_pipelines.clips import Cut


def tracks(
  count: int,
  frames: int,
  size: tuple[int, int],
  seed: int,
  textures: Path | None = None,
) -> Iterator[Track]:
  """Yields the tracks of procedural sequences.

  Sequence i is generated with the seed (`seed`, i).

  Args:
    count: Number of sequences.
    frames: Number of frames in each sequence.
    size: Height and width of the frames, px.
    seed: Random seed of the sequences, 0 or more.
    textures: Folder of photographs to cut the textures from (default:
      procedural textures).
  """
  videos = synthetic.generate_many(count, seed, frames, size, textures)
  for i, video in enumerate(videos):
    yield Track(
      f'synthetic-{i:04d}',
      video.box_xywh,
      video.visible,
      frame_number=np.arange(frames),
      image=video.frames.__getitem__,
    )


def ensure(
  out: Path,
  *,
  sequences: int,
  frames: int,
  size: tuple[int, int],
  seed: int,
  textures: Path | None = None,
  crop_size: int = crops.CROP_SIZE,
) -> Path:
  """Writes a clip set of procedural sequences, unless `out` holds this set.

  If `out` holds a synthetic clip set with other settings, that set is replaced,
  since it can be generated again. A folder with anything else is refused.

  Args:
    out: Folder of the clip set.
    sequences: Number of sequences.
    frames: Number of frames in each sequence.
    size: Height and width of the frames, px.
    seed: Random seed of the sequences.
    textures: Folder of photographs to cut the textures from (default:
      procedural textures).
    crop_size: Side of the crops, px.

  Returns:
    `out`.

  Raises:
    FileNotFoundError: `out` exists but has no manifest, so it is not a clip
      set; or the folder of textures does not exist.
    ValueError: `out` holds a clip set that is not synthetic, has an unsupported
      format version or has a damaged manifest; or the folder of textures has no
      images, or an image in it cannot be decoded.
  """
  settings: dict[str, Any] = {
    'synthetic': {
      'sequences': sequences,
      'frames': frames,
      'size': list(size),
      'seed': seed,
      'textures': None if textures is None else str(textures),
    }
  }
  if out.exists():
    manifest = clip_set.read_manifest(out)
    same = manifest['settings'] == settings
    if same and manifest['crop_size'] == crop_size:
      return out
    if 'synthetic' not in manifest['settings']:
      raise ValueError(
        f'{out}: holds a clip set that is not synthetic; name another folder'
      )
  clip_writer.write(
    tracks(sequences, frames, size, seed, textures),
    out,
    total=sequences,
    cut=Cut(crop_size=crop_size),
    settings=settings,
    replace=True,
  )
  return out
