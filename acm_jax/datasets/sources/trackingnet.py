"""The 30,132 videos of TrackingNet's twelve training parts.

    TRAIN_<k>/{anno/<video>.txt, frames/<video>/%d.jpg, zips/<video>.zip}

The first image is 0.jpg; numbers have no leading zeros. If the frames of a
video are not unpacked, they are read from the video's zip.

No source states whether boxes are in 0-based or 1-based pixel coordinates;
0-based coordinates are assumed.

Source: Müller et al., ECCV 2018 (arXiv:1803.10794).
"""

from collections.abc import Iterator

from acm_jax.datasets.sources import source
from acm_jax.datasets.sources.source import Source, Unit
from acm_jax.datasets.track import Track
from acm_jax.datasets.trees import Tree, join


def units(tree: Tree) -> Iterator[Unit]:
  """Yields the annotated videos of all training parts in the tree."""
  names = set()
  for part in source.find_folders(tree, r'TRAIN_\d+').values():
    for file in tree.files(join(part, 'anno')):
      name, dot, suffix = file.rpartition('.')
      if dot + suffix != '.txt':
        continue
      if name in names:
        raise ValueError(
          f'{tree.where(join(part, "anno", file))}: another part has a video '
          'of the same name; remove one of the two'
        )
      names.add(name)
      yield Unit(name, part)


def tracks(tree: Tree, unit: Unit) -> list[Track]:
  """Returns the single target of a video."""
  part = unit.handle
  frames = join(part, 'frames', unit.name)
  if not tree.files(frames):
    frames = join(part, 'zips', f'{unit.name}.zip')
  rows = join(part, 'anno', f'{unit.name}.txt')
  box_xywh = source.boxes(tree, rows)
  files = source.numbered(tree, frames)
  where = tree.where(rows)
  return [source.track(tree, unit.name, files, box_xywh, where, first=0)]


SOURCE = Source(units, tracks, per_shard=16, gap=100)
