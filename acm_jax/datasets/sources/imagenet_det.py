"""ImageNet DET, its training images.

    {Data,Annotations}/DET/train/{ILSVRC2013_train/<wnid>, ILSVRC2014_train_*}/
        <image>.JPEG, <image>.xml

First pixel 0; every object is a track of one frame, and an image may have none.

Source: Russakovsky et al., IJCV 2015 (arXiv:1409.0575).
"""

import collections
from collections.abc import Iterator

from acm_jax.datasets.sources import pascal, source
from acm_jax.datasets.sources.source import Source, Unit
from acm_jax.datasets.track import Track
from acm_jax.datasets.trees import Tree, find, join

_NOTES = 'Annotations/DET/train'


def units(tree: Tree) -> Iterator[Unit]:
  """Every annotated image."""
  root = find(tree, 'Annotations')
  if root is None or not tree.folders(join(root, _NOTES)):
    raise FileNotFoundError(f'{tree.where(_NOTES)}: no such folder')
  waiting = collections.deque([''])
  while waiting:
    place = waiting.popleft()
    folder = join(root, _NOTES, place)
    waiting += [join(place, name) for name in tree.folders(folder)]
    for file in tree.files(folder):
      stem, dot, suffix = file.rpartition('.')
      if dot + suffix == '.xml':
        yield Unit(join(place, stem), root)


def tracks(tree: Tree, unit: Unit) -> list[Track]:
  """Every object of an image."""
  root = unit.notes
  notes = join(root, _NOTES, f'{unit.name}.xml')
  image = join(root, 'Data/DET/train', f'{unit.name}.JPEG')
  return [
    source.picked(
      tree, f'{unit.name}.{found.track}', [image], found.box_xywh, [0]
    )
    for found in pascal.objects(tree, notes)
  ]


SOURCE = Source(units, tracks, per_shard=2000, gap=1)
