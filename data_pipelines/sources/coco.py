"""COCO 2017, its training images.

    annotations/instances_train2017.json, train2017/<image>.jpg

First pixel 0; every annotated object is a track of one frame. Boxes of crowds
do not count.

Source: Lin et al., ECCV 2014 (arXiv:1405.0312).
"""

import collections
import json
from collections.abc import Iterator

import numpy as np

from data_pipelines.sources import source
from data_pipelines.sources.source import Source, Unit
from data_pipelines.track import Track
from data_pipelines.trees import Tree, find, join

_NOTES = 'annotations/instances_train2017.json'


def units(tree: Tree) -> Iterator[Unit]:
  """Every image with an annotation."""
  root = find(tree, 'annotations')
  name = join(root or '', _NOTES)
  where = tree.where(name)
  found = collections.defaultdict(list)
  about = 'its head'
  try:
    content = json.loads(tree.text(name))
    images = {image['id']: image['file_name'] for image in content['images']}
    for number, note in enumerate(content['annotations']):
      about = f'annotation {number}'
      x, y, width, height = map(float, note['bbox'])
      row = (note['id'], (x, y, width, height), bool(note['iscrowd']))
      found[images[note['image_id']]].append(row)
  except (KeyError, TypeError, ValueError) as error:
    raise ValueError(
      f'{where}: not the annotations of COCO ({about}: {error!r}); fetch it '
      'again'
    ) from None
  for file in sorted(found):
    yield Unit(file, (join(root, 'train2017', file), where, found[file]))


def tracks(tree: Tree, unit: Unit) -> list[Track]:
  """Every object of an image."""
  image, where, rows = unit.notes
  return [
    source.track(
      tree,
      f'{unit.name}.{number}',
      [image],
      np.array([box]),
      where,
      np.array([crowd]),
    )._replace(reason='crowd' if crowd else 'absent')
    for number, box, crowd in rows
  ]


SOURCE = Source(units, tracks, per_shard=2000, gap=1)
