"""COCO 2017, its training images.

    annotations/instances_train2017.json, train2017/<image>.jpg

First pixel 0; every annotated object is a track of one frame. Boxes of crowds
do not count.

Source: Lin et al., ECCV 2014 (arXiv:1405.0312).
"""

import collections
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
  found, seen = collections.defaultdict(list), set()
  about = 'its head'
  try:
    content = source.table(tree.text(name), where)
    images = {image['id']: image['file_name'] for image in content['images']}
    if len(set(images.values())) < len(content['images']):
      raise ValueError('an image is there twice')
    for number, note in enumerate(content['annotations']):
      about = f'annotation {number}'
      x, y, width, height = map(float, note['bbox'])
      row = (note['id'], (x, y, width, height), bool(note['iscrowd']))
      found[images[note['image_id']]].append(row)
      if note['id'] in seen:
        raise ValueError(f'id {note["id"]} is there twice')
      seen.add(note['id'])
  except (KeyError, TypeError, ValueError) as error:
    raise ValueError(
      f'{where}: not the annotations of COCO ({about}: {error!r}); fetch it '
      'again'
    ) from None
  for file in sorted(found):
    yield Unit(file, (join(root, 'train2017', file), found[file]))


def tracks(tree: Tree, unit: Unit) -> list[Track]:
  """Every object of an image."""
  image, rows = unit.notes
  result = []
  for number, box, crowd in rows:
    name = f'{unit.name}.{number}'
    track = source.picked(tree, name, [image], np.array(box), [0])
    if crowd:
      track = track._replace(visible=np.array([False]), reason='crowd')
    result.append(track)
  return result


SOURCE = Source(units, tracks, per_shard=2000, gap=1)
