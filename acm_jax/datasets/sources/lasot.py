"""The 1,120 training videos of LaSOT.

    [<class>/]<class>-<n>/{img/%08d.jpg, groundtruth.txt, full_occlusion.txt,
                           out_of_view.txt}

Boxes are in 1-based pixel coordinates; the first image is 00000001.jpg. Frames
in which the target is fully occluded or out of view are not used. The archives,
one per class, need not be unpacked.

Source: Fan et al., CVPR 2019 (arXiv:1809.07845).
"""

from collections.abc import Iterator

from acm_jax.datasets import tables
from acm_jax.datasets.sources import source
from acm_jax.datasets.sources.source import Source, Unit
from acm_jax.datasets.track import Track
from acm_jax.datasets.trees import Tree, join


def units(tree: Tree) -> Iterator[Unit]:
  """Yields the videos that are neither in the test set nor in LaSOT_ext."""
  tested = {*tables.names('lasot'), *tables.names('lasot_ext')}
  for name, folder in source.find_folders(tree, r'[a-zA-Z]+-\d+').items():
    if name not in tested:
      yield Unit(name, folder)


def tracks(tree: Tree, unit: Unit) -> list[Track]:
  """Returns the single target of a video."""
  folder = unit.handle
  rows = join(folder, 'groundtruth.txt')
  box_xywh = source.boxes(tree, rows, first_pixel=1)
  occluded, out = (
    source.labels(tree, join(folder, f'{name}.txt'), len(box_xywh))
    for name in ('full_occlusion', 'out_of_view')
  )
  files = source.numbered(tree, join(folder, 'img'))
  where = tree.where(rows)
  return [
    source.track(
      tree, unit.name, files, box_xywh, where, occluded | out, first=1
    )
  ]


SOURCE = Source(units, tracks, per_shard=4, gap=100)
