"""Your own sequences in a folder.

    <sequence>/{img/, groundtruth.txt, [absent.txt]}

Rows of groundtruth.txt are x,y,w,h in px, 0-based. For each row, absent.txt has
1 if the target is absent, else 0. The rows are those of the images in the
natural order of their names. There may be more images than rows if the numbers
in the names count the images one by one. In training, distances within a pair
are numbers of images.
"""

from collections.abc import Iterator

from acm_jax.datasets import image_names
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
  rows, folder = join(unit.name, 'groundtruth.txt'), join(unit.name, 'img')
  names = image_names.in_order(tree.files(folder), tree.where(folder))
  files = {i: join(folder, name) for i, name in enumerate(names)}
  box_xywh, where = source.boxes(tree, rows), tree.where(rows)
  if len(files) > len(box_xywh):
    # Only numbers in the names can tell which images have no row.
    if not image_names.counts(names):
      raise ValueError(
        f'{where}: {len(box_xywh)} rows for {len(files)} images, whose names '
        'do not count one by one, so that the images of the rows are unknown; '
        'give each image a row, or remove the images without one'
      )
    files = source.numbered(tree, folder)
  absent = source.marks(tree, join(unit.name, 'absent.txt'))
  return [source.track(tree, unit.name, files, box_xywh, where, absent)]


SOURCE = Source(units, tracks, per_shard=8, gap=100)
