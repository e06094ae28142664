"""Training images of COCO 2017.

    annotations/instances_train2017.json, train2017/<image>.jpg

Boxes are in 0-based pixel coordinates. Every annotated object is a track of
one frame. Boxes of crowds are not used.

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

_ANNOTATIONS = 'annotations/instances_train2017.json'


class Annotation(NamedTuple):
  """One annotated object of an image.

  Attributes:
    number: Id of the annotation, unique in the data set.
    box_xywh: Box of the object, px, 0-based.
    crowd: Whether the box encloses a group of objects.
    category: Name of the object's class.
    outline: Polygons around the object, each as x1, y1, x2, y2, ..., px; empty
      if the file has none.
  """

  number: int
  box_xywh: tuple[float, float, float, float]
  crowd: bool
  category: str
  outline: tuple[list[float], ...] = ()


def annotated(tree: Tree) -> Iterator[tuple[str, list[Annotation]]]:
  """Yields the name of each annotated image in the tree, and its annotations.

  Raises:
    FileNotFoundError: The annotation file does not exist.
    ValueError: The annotation file is not in COCO's format; the message names
      the invalid annotation.
  """
  root = find(tree, 'annotations')
  name = join(root or '', _ANNOTATIONS)
  where = tree.where(name)
  by_image, seen = collections.defaultdict(list), set()
  part = 'images or categories'
  try:
    content = source.table(tree.text(name), where)
    images = {image['id']: image['file_name'] for image in content['images']}
    names = {kind['id']: kind['name'] for kind in content['categories']}
    if len(set(images.values())) < len(content['images']):
      raise ValueError('duplicate image')
    for number, entry in enumerate(content['annotations']):
      part = f'annotation {number}'
      image = images[entry['image_id']]
      by_image[image].append(_annotation(entry, names))
      if entry['id'] in seen:
        raise ValueError(f'duplicate id {entry["id"]}')
      seen.add(entry['id'])
  except (KeyError, TypeError, ValueError) as error:
    raise ValueError(
      f'{where}: not in the format of COCO ({part}: {error!r}); download the '
      'file again'
    ) from None
  for file in sorted(by_image):
    yield join(root, 'train2017', file), by_image[file]


def _annotation(entry: dict, names: dict[int, str]) -> Annotation:
  x, y, width, height = map(float, entry['bbox'])
  outline = entry.get('segmentation', ())
  # The outline of a crowd is run-length encoded instead of a list of polygons.
  polygons = tuple(outline) if isinstance(outline, list) else ()
  return Annotation(
    number=entry['id'],
    box_xywh=(x, y, width, height),
    crowd=bool(entry['iscrowd']),
    category=names[entry['category_id']],
    outline=polygons,
  )


def units(tree: Tree) -> Iterator[Unit]:
  """Yields every annotated image."""
  for path, annotations in annotated(tree):
    # Outlines are dropped, because they are large and units are sent to other
    # processes.
    rows = [annotation._replace(outline=()) for annotation in annotations]
    yield Unit(path.rpartition('train2017/')[2], (path, rows))


def tracks(tree: Tree, unit: Unit) -> list[Track]:
  """Returns the objects of an image."""
  path, annotations = unit.handle
  result = []
  for annotation in annotations:
    name = f'{unit.name}.{annotation.number}'
    box_xywh = np.array(annotation.box_xywh)
    track = source.picked(tree, name, [path], box_xywh, [0])
    track = track._replace(category=annotation.category)
    if annotation.crowd:
      track = track._replace(visible=np.array([False]), reason='crowd')
    result.append(track)
  return result


SOURCE = Source(units, tracks, per_shard=2000, gap=1)
