"""Training videos of ImageNet VID.

    {Data,Annotations}/VID/train/ILSVRC2015_VID_train_000?/<video>/
        000000.JPEG, 000000.xml

Boxes are in 0-based pixel coordinates. In a video, boxes with the same trackid
belong to one target.

Source: Russakovsky et al., IJCV 2015 (arXiv:1409.0575).
"""

import collections
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from acm_jax.datasets import image_names
from acm_jax.datasets.sources import pascal, source
from acm_jax.datasets.sources.source import Source, Unit
from acm_jax.datasets.track import Track
from acm_jax.datasets.trees import Tree, find, join

_ANNOTATIONS = 'Annotations/VID/train'


class _Frame(NamedTuple):
  """A target in one frame."""

  file: str
  box_xywh: np.ndarray
  number: int


def units(tree: Tree) -> Iterator[Unit]:
  """Yields every annotated video."""
  root = find(tree, 'Annotations')
  parts = tree.folders(join(root, _ANNOTATIONS)) if root is not None else []
  if not parts:
    raise FileNotFoundError(
      f'{tree.where(_ANNOTATIONS)}: no such folder, or no subfolders; choose '
      'the root folder of ImageNet VID'
    )
  for part in parts:
    for name in tree.folders(join(root, _ANNOTATIONS, part)):
      yield Unit(f'{part}/{name}', root)


def tracks(tree: Tree, unit: Unit) -> list[Track]:
  """Returns the targets of a video, each in the frames that have its box."""
  root = unit.handle
  folder = join(root, _ANNOTATIONS, unit.name)
  names = [
    f'{stem}.JPEG'
    for stem, dot, suffix in (f.rpartition('.') for f in tree.files(folder))
    if dot + suffix == '.xml'
  ]
  numbered = image_names.numbered(names, tree.where(folder)) if names else {}
  targets: dict[str, list[_Frame]] = collections.defaultdict(list)
  for number, name in numbered.items():
    image = join(root, 'Data/VID/train', unit.name, name)
    annotation = join(folder, f'{name.removesuffix(".JPEG")}.xml')
    for target in pascal.objects(tree, annotation):
      targets[target.track].append(_Frame(image, target.box_xywh, number))
  return [
    source.picked(
      tree,
      f'{unit.name}.{name}',
      [frame.file for frame in frames],
      np.array([frame.box_xywh for frame in frames]),
      [frame.number for frame in frames],
    )
    for name, frames in sorted(targets.items())
  ]


SOURCE = Source(units, tracks, per_shard=8, gap=100)
