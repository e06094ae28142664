"""Training images of ImageNet DET.

    {Data,Annotations}/DET/train/{ILSVRC2013_train/<wnid>, ILSVRC2014_train_*}/
        <image>.JPEG, <image>.xml

Boxes are in 0-based pixel coordinates. Every object is a track of one frame;
an image may have no objects.

Source: Russakovsky et al., IJCV 2015 (arXiv:1409.0575).
"""

import collections
from collections.abc import Iterator

from acm_jax.datasets.sources import pascal, source
from acm_jax.datasets.sources.source import Source, Unit
from acm_jax.datasets.track import Track
from acm_jax.datasets.trees import Tree, find, join

_ANNOTATIONS = 'Annotations/DET/train'


def units(tree: Tree) -> Iterator[Unit]:
  """Yields every annotated image."""
  root = find(tree, 'Annotations')
  if root is None or not tree.folders(join(root, _ANNOTATIONS)):
    raise FileNotFoundError(
      f'{tree.where(_ANNOTATIONS)}: no such folder, or no subfolders; choose '
      'the root folder of ImageNet DET'
    )
  waiting = collections.deque([''])
  while waiting:
    parent = waiting.popleft()
    folder = join(root, _ANNOTATIONS, parent)
    waiting += [join(parent, name) for name in tree.folders(folder)]
    for file in tree.files(folder):
      stem, dot, suffix = file.rpartition('.')
      if dot + suffix == '.xml':
        yield Unit(join(parent, stem), root)


def tracks(tree: Tree, unit: Unit) -> list[Track]:
  """Returns the objects of an image."""
  root = unit.handle
  annotation = join(root, _ANNOTATIONS, f'{unit.name}.xml')
  image = join(root, 'Data/DET/train', f'{unit.name}.JPEG')
  return [
    source.picked(
      tree, f'{unit.name}.{target.track}', [image], target.box_xywh, [0]
    )
    for target in pascal.objects(tree, annotation)
  ]


SOURCE = Source(units, tracks, per_shard=2000, gap=1)
