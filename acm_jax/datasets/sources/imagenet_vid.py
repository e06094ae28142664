"""ImageNet VID, its training videos.

    {Data,Annotations}/VID/train/ILSVRC2015_VID_train_000?/<video>/
        000000.JPEG, 000000.xml

First pixel 0; a target is named by its trackid.

Source: Russakovsky et al., IJCV 2015 (arXiv:1409.0575).
"""

from collections.abc import Iterator

import numpy as np

from acm_jax.datasets import sequences
from acm_jax.datasets.sources import pascal, source
from acm_jax.datasets.sources.source import Source, Unit
from acm_jax.datasets.track import Track
from acm_jax.datasets.trees import Tree, find, join

_NOTES = 'Annotations/VID/train'


def units(tree: Tree) -> Iterator[Unit]:
  """Every annotated video."""
  root = find(tree, 'Annotations')
  parts = tree.folders(join(root, _NOTES)) if root is not None else []
  if not parts:
    raise FileNotFoundError(f'{tree.where(_NOTES)}: no such folder')
  for part in parts:
    for name in tree.folders(join(root, _NOTES, part)):
      yield Unit(f'{part}/{name}', root)


def tracks(tree: Tree, unit: Unit) -> list[Track]:
  """Every target of a video, in the frames it is annotated in."""
  root = unit.notes
  notes = join(root, _NOTES, unit.name)
  frames = sorted(
    stem
    for stem, dot, suffix in (f.rpartition('.') for f in tree.files(notes))
    if dot + suffix == '.xml'
  )
  targets: dict[str, tuple[list, list, list]] = {}
  for stem in frames:
    image = join(root, 'Data/VID/train', unit.name, f'{stem}.JPEG')
    for found in pascal.objects(tree, join(notes, f'{stem}.xml')):
      columns = targets.setdefault(found.track, ([], [], []))
      values = (image, found.box_xywh, sequences.frame_number(stem))
      for column, value in zip(columns, values, strict=True):
        column.append(value)
  return [
    source.picked(tree, f'{unit.name}.{name}', files, np.array(boxes), numbers)
    for name, (files, boxes, numbers) in sorted(targets.items())
  ]


SOURCE = Source(units, tracks, per_shard=8, gap=100)
