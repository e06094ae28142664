"""JSON of COCO, whose images are the frames of a video.

Source: cocodataset.org (format of the data); docs.cvat.ai for the attributes.
"""

import json
import posixpath
from collections.abc import Iterator, Sequence
from pathlib import Path

from acm_jax.datasets.exports.target import (
  UNKNOWN,
  Entry,
  Footage,
  Target,
  frame_name,
  numbers,
)
from acm_jax.datasets.sources import source
from acm_jax.datasets.trees import Tree


def read(tree: Tree, name: str, files: Sequence[Path]) -> Iterator[Entry]:
  """Yields the boxes of a file of COCO whose images are frames of the video."""
  where = tree.where(name)
  content, part = source.table(tree.text(name), where), 'images'
  try:
    images = {posixpath.normpath(x['file_name']): x for x in content['images']}
    found = numbers(files, list(images))
    frames = {images[name]['id']: number for name, number in found}
    categories = {x['id']: x['name'] for x in content.get('categories', ())}
    for number, entry in enumerate(content['annotations']):
      part = f'annotation {number}'
      place = f'{where}, {part}'
      frame = frames.get(entry['image_id'])
      if frame is None or entry.get('iscrowd'):
        continue
      ids = {**entry, **(entry.get('attributes') or {})}
      target = f'track_id {ids.get("track_id")}'
      if ids.get('track_id') is None:
        target = f'category {entry["category_id"]} (without track_id)'
      x, y, w, h = map(float, entry['bbox'])
      yield Entry(
        target,
        frame,
        (x, y, w, h),
        place,
        category=str(categories.get(entry['category_id'], UNKNOWN)),
        occluded=ids.get('occluded') is True,
      )
  except (AttributeError, KeyError, TypeError, ValueError) as error:
    raise ValueError(
      f'{where}: not in the format of COCO ({part}: {error!r}); export the '
      'annotations again'
    ) from None
  if not frames:
    raise ValueError(
      f'{where}: names none of the images of the video; give the folder of '
      'the annotated images as `video`'
    )


def text(targets: Sequence[Target], footage: Footage) -> str:
  """Returns targets as JSON."""
  categories = list(dict.fromkeys(target.category for target in targets))
  images = [
    {
      'id': number + 1,
      'file_name': frame_name(footage.files, number),
      'width': width,
      'height': height,
    }
    for number, (height, width) in footage.size_hw.items()
  ]
  annotations = [
    {
      'image_id': frame + 1,
      'category_id': categories.index(target.category) + 1,
      'bbox': [round(value, 3) for value in box],
      'area': round(box[2] * box[3], 3),
      'iscrowd': 0,
      'segmentation': [],
      'attributes': {
        'occluded': frame in target.occluded,
        'track_id': number,
      },
    }
    for number, target in enumerate(targets)
    for frame, box in target.boxes.items()
  ]
  content = {
    'images': images,
    'annotations': [{'id': n, **x} for n, x in enumerate(annotations, 1)],
    'categories': [{'id': n, 'name': x} for n, x in enumerate(categories, 1)],
  }
  return json.dumps(content, indent=1) + '\n'
