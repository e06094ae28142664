"""The 9,335 training videos of GOT-10k.

    [train/]GOT-10k_Train_%06d/{%08d.jpg, groundtruth.txt, absence.label,
                                cover.label}

Boxes are in 1-based pixel coordinates; the first image is 00000001.jpg. A frame
is used if the target is present and at least partly visible (cover 1 to 8). The
downloaded archives need not be unpacked.

Source: Huang et al., TPAMI 2021 (arXiv:1810.11981).
"""

from collections.abc import Iterator

from acm_jax.datasets.sources import source
from acm_jax.datasets.sources.source import Source, Unit
from acm_jax.datasets.track import Track
from acm_jax.datasets.trees import Tree, join


def units(tree: Tree) -> Iterator[Unit]:
  """Yields the training videos in the tree."""
  for name, folder in source.find_folders(tree, r'GOT-10k_Train_\d+').items():
    yield Unit(name, folder)


def tracks(tree: Tree, unit: Unit) -> list[Track]:
  """Returns the single target of a video."""
  folder = unit.handle
  rows = join(folder, 'groundtruth.txt')
  box_xywh = source.boxes(tree, rows, first_pixel=1)
  absent, cover = (
    source.labels(tree, join(folder, f'{name}.label'), len(box_xywh))
    for name in ('absence', 'cover')
  )
  files = source.numbered(tree, folder)
  where = tree.where(rows)
  return [
    source.track(
      tree, unit.name, files, box_xywh, where, absent | ~cover, first=1
    )
  ]


SOURCE = Source(units, tracks, per_shard=16, gap=100)
