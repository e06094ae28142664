"""COCO 2017, its training images.

    annotations/instances_train2017.json, train2017/<image>.jpg

First pixel 0; every annotated object is a track of one frame. Boxes of crowds
do not count.

Source: Lin et al., ECCV 2014 (arXiv:1405.0312).
"""

import collections
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from acm_jax.datasets.sources import source
from acm_jax.datasets.sources.source import Source, Unit
from acm_jax.datasets.track import Track
from acm_jax.datasets.trees import Tree, find, join

_NOTES = 'annotations/instances_train2017.json'


class Annotation(NamedTuple):
  """One annotated object of an image.

  Attributes:
    number: Its id, unique in the data set.
    box_xywh: Px, 0-based.
    crowd: Whether the box encloses a group instead of one object.
    category: Name of its class.
    outline: Polygons x1, y1, x2, y2, ..., px; empty without one.
  """

  number: int
  box_xywh: tuple[float, float, float, float]
  crowd: bool
  category: str
  outline: tuple[list[float], ...] = ()


def annotated(tree: Tree) -> Iterator[tuple[str, list[Annotation]]]:
  """Yields every image with an annotation, as a name in the tree, and its own.

  Raises:
    ValueError: The annotation file is not COCO's; the message names the row.
  """
  root = find(tree, 'annotations')
  name = join(root or '', _NOTES)
  where = tree.where(name)
  found, seen = collections.defaultdict(list), set()
  about = 'its head'
  try:
    content = source.table(tree.text(name), where)
    images = {image['id']: image['file_name'] for image in content['images']}
    names = {kind['id']: kind['name'] for kind in content['categories']}
    if len(set(images.values())) < len(content['images']):
      raise ValueError('an image is there twice')
    for number, note in enumerate(content['annotations']):
      about = f'annotation {number}'
      found[images[note['image_id']]].append(_annotation(note, names))
      if note['id'] in seen:
        raise ValueError(f'id {note["id"]} is there twice')
      seen.add(note['id'])
  except (KeyError, TypeError, ValueError) as error:
    raise ValueError(
      f'{where}: not the annotations of COCO ({about}: {error!r}); fetch it '
      'again'
    ) from None
  for file in sorted(found):
    yield join(root, 'train2017', file), found[file]


def _annotation(note: dict, names: dict[int, str]) -> Annotation:
  x, y, width, height = map(float, note['bbox'])
  outline = note.get('segmentation', ())
  # The outline of a crowd is a run-length code instead.
  polygons = tuple(outline) if isinstance(outline, list) else ()
  return Annotation(
    note['id'],
    (x, y, width, height),
    bool(note['iscrowd']),
    names[note['category_id']],
    polygons,
  )


def units(tree: Tree) -> Iterator[Unit]:
  """Every image with an annotation."""
  for path, annotations in annotated(tree):
    # Outlines are large, and units are sent to other processes.
    rows = [annotation._replace(outline=()) for annotation in annotations]
    yield Unit(path.rpartition('train2017/')[2], (path, rows))


def tracks(tree: Tree, unit: Unit) -> list[Track]:
  """Every object of an image."""
  path, annotations = unit.notes
  result = []
  for number, box, crowd, category, _ in annotations:
    name = f'{unit.name}.{number}'
    track = source.picked(tree, name, [path], np.array(box), [0])
    track = track._replace(category=category)
    if crowd:
      track = track._replace(visible=np.array([False]), reason='crowd')
    result.append(track)
  return result


SOURCE = Source(units, tracks, per_shard=2000, gap=1)
