"""GOT-10k, its 9,335 training videos.

    [train/]GOT-10k_Train_%06d/{%08d.jpg, groundtruth.txt, absence.label,
                                cover.label}

First pixel 1, first image 00000001.jpg. A frame counts when the target is not
absent and some of it is seen (cover 1 to 8). The parts of the download may be
left packed.

Source: Huang et al., TPAMI 2021 (arXiv:1810.11981).
"""

from collections.abc import Iterator

from acm_jax.datasets.sources import source
from acm_jax.datasets.sources.source import Source, Unit
from acm_jax.datasets.track import Track
from acm_jax.datasets.trees import Tree, join


def units(tree: Tree) -> Iterator[Unit]:
  """Every training video that is there."""
  for name, place in source.places(tree, r'GOT-10k_Train_\d+').items():
    yield Unit(name, place)


def tracks(tree: Tree, unit: Unit) -> list[Track]:
  """The one target of a video."""
  place = unit.notes
  rows = join(place, 'groundtruth.txt')
  box_xywh = source.boxes(tree, rows, first_pixel=1)
  absent = source.marks(tree, join(place, 'absence.label'))
  cover = source.marks(tree, join(place, 'cover.label'))
  for name, values in (('absence', absent), ('cover', cover)):
    if values is None or len(values) != len(box_xywh):
      count = 0 if values is None else len(values)
      raise ValueError(
        f'{tree.where(join(place, name))}.label: {count} marks for '
        f'{len(box_xywh)} boxes; fetch it again'
      )
  files = source.images(tree, place)
  where = tree.where(rows)
  return [
    source.track(
      tree, unit.name, files, box_xywh, where, absent | ~cover, first=1
    )
  ]


SOURCE = Source(units, tracks, per_shard=16, gap=100)
