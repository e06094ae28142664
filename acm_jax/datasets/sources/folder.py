"""Your own sequences in a folder.

    <sequence>/{img/, groundtruth.txt, [absent.txt]}

Rows of groundtruth.txt are x,y,w,h in px, 0-based. For each row, absent.txt has
1 if the target is absent, else 0. The image numbers may have gaps if there are
as many rows as images.
"""

from collections.abc import Iterator

from acm_jax.datasets.sources import source
from acm_jax.datasets.sources.source import Source, Unit
from acm_jax.datasets.track import Track
from acm_jax.datasets.trees import Tree, join


def units(tree: Tree) -> Iterator[Unit]:
  """Yields every sequence."""
  names = [name for name in tree.folders() if 'img' in tree.folders(name)]
  if not names:
    raise FileNotFoundError(
      f'{tree.label}: no sequence with a folder img/; the layout is '
      '<sequence>/img/'
    )
  yield from map(Unit, names)


def tracks(tree: Tree, unit: Unit) -> list[Track]:
  """Returns the single target of a sequence."""
  rows = join(unit.name, 'groundtruth.txt')
  return [
    source.track(
      tree,
      unit.name,
      source.images(tree, join(unit.name, 'img')),
      source.boxes(tree, rows),
      tree.where(rows),
      source.marks(tree, join(unit.name, 'absent.txt')),
    )
  ]


SOURCE = Source(units, tracks, per_shard=8, gap=100)
