"""JSON of COCO, whose images are the frames of a video.

Source: cocodataset.org (format of the data); docs.cvat.ai for the attributes.
"""

import json
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from acm_jax.datasets.exports.target import (
  UNKNOWN,
  Entry,
  Footage,
  Size,
  Target,
  frame_name,
  numbers,
)
from acm_jax.datasets.sources import source
from acm_jax.datasets.trees import Tree
from acm_jax.datasets.videos import Video


def read(tree: Tree, name: str, video: Video) -> Iterator[Entry]:
  """Yields the boxes of a file of COCO whose images are frames of the video."""
  where = tree.where(name)
  content, part = source.table(tree.text(name), where), 'images'
  try:
    images = {posixpath.normpath(x['file_name']): x for x in content['images']}
    found = numbers(video.files, list(images))
    frames = {
      images[name]['id']: (number, _size(images[name]))
      for name, number in found
    }
    known: set[str] = set()
    elsewhere: dict[str, str] = {}
    categories = {x['id']: x['name'] for x in content.get('categories', ())}
    for number, entry in enumerate(content['annotations']):
      part = f'annotation {number}'
      place = f'{where}, {part}'
      if entry.get('iscrowd'):
        continue
      ids = {**entry, **(entry.get('attributes') or {})}
      target = f'track_id {ids.get("track_id")}'
      if ids.get('track_id') is None:
        target = f'category {entry["category_id"]} (without track_id)'
      if entry['image_id'] not in frames:
        elsewhere.setdefault(target, place)
        continue
      known.add(target)
      frame, size_hw = frames[entry['image_id']]
      x, y, w, h = map(float, entry['bbox'])
      yield Entry(
        target,
        frame,
        (x, y, w, h),
        place,
        category=str(categories.get(entry['category_id'], UNKNOWN)),
        occluded=ids.get('occluded') is True,
        size_hw=size_hw,
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
  for target in elsewhere.keys() & known:
    raise ValueError(
      f'{elsewhere[target]}: the image is not a frame of the video, in which '
      f'{target} has other boxes; give all images as `video`, or export the '
      'annotations of the video alone'
    )


def _size(image: Mapping[str, Any]) -> Size | None:
  if 'width' in image and 'height' in image:
    return int(image['height']), int(image['width'])
  return None


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
