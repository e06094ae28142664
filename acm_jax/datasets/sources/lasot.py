"""LaSOT, its 1,120 training videos.

    [<class>/]<class>-<n>/{img/%08d.jpg, groundtruth.txt, full_occlusion.txt,
                           out_of_view.txt}

First pixel 1, first image 00000001.jpg. A frame in which the target is fully
occluded or out of view does not count. Archives of classes may be left packed.

Source: Fan et al., CVPR 2019 (arXiv:1809.07845).
"""

from collections.abc import Iterator

from acm_jax.datasets import tables
from acm_jax.datasets.sources import source
from acm_jax.datasets.sources.source import Source, Unit
from acm_jax.datasets.track import Track
from acm_jax.datasets.trees import Tree, join


def units(tree: Tree) -> Iterator[Unit]:
  """Every video that is there and neither in the test set nor in LaSOT_ext."""
  tested = {*tables.names('lasot'), *tables.names('lasot_ext')}
  for name, place in source.places(tree, r'[a-zA-Z]+-\d+').items():
    if name not in tested:
      yield Unit(name, place)


def tracks(tree: Tree, unit: Unit) -> list[Track]:
  """The one target of a video."""
  place = unit.notes
  rows = join(place, 'groundtruth.txt')
  occluded, out = (
    source.marks(tree, join(place, f'{name}.txt'))
    for name in ('full_occlusion', 'out_of_view')
  )
  box_xywh = source.boxes(tree, rows, first_pixel=1)
  for name, values in (('full_occlusion', occluded), ('out_of_view', out)):
    if values is None or len(values) != len(box_xywh):
      count = 0 if values is None else len(values)
      raise ValueError(
        f'{tree.where(join(place, name))}.txt: {count} marks for '
        f'{len(box_xywh)} boxes; fetch it again'
      )
  files = source.images(tree, join(place, 'img'))
  where = tree.where(rows)
  return [
    source.track(
      tree, unit.name, files, box_xywh, where, occluded | out, first=1
    )
  ]


SOURCE = Source(units, tracks, per_shard=4, gap=100)
