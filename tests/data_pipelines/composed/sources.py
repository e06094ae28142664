"""Small files in the layouts of COCO and DAVIS, from which objects are cut."""

import json
from pathlib import Path

import cv2
import numpy as np

SIZE = (150, 200)
# Object in each photograph: class, centre and half axes of an ellipse, colour.
_OBJECTS = (
  ('round', (90, 70), (30, 25), (40, 60, 200)),
  ('round', (110, 80), (28, 33), (200, 90, 40)),
  ('tall', (100, 75), (30, 36), (60, 190, 80)),
  ('tall', (80, 75), (8, 50), (190, 180, 50)),
)


def photographs(root: Path) -> Path:
  """Writes six photographs, two of them without an object to cut out."""
  (root / 'train2017').mkdir(parents=True)
  names = ('round', 'tall')
  annotations = []
  for number in range(6):
    image = _background(number)
    if number < len(_OBJECTS):
      kind, center, axes, color = _OBJECTS[number]
      outline = cv2.ellipse2Poly(center, axes, 0, 0, 360, 10)
      cv2.fillPoly(image, [outline], color)
      annotations.append(
        _annotation(number, number, names.index(kind), [outline])
      )
    _write(root / 'train2017' / f'photo{number}.jpg', image)
  annotations += _unfit(len(annotations))
  content = {
    'images': [
      {'id': i, 'file_name': f'photo{i}.jpg', 'height': 150, 'width': 200}
      for i in range(6)
    ],
    'categories': [{'id': i, 'name': name} for i, name in enumerate(names)],
    'annotations': annotations,
  }
  (root / 'annotations').mkdir()
  path = root / 'annotations' / 'instances_train2017.json'
  path.write_text(json.dumps(content))
  return root


def _unfit(number: int) -> list[dict]:
  """Returns annotations that cannot be cut out, all in photograph 4."""
  square = np.array([[0, 0], [50, 0], [50, 50], [0, 50]])
  small = square // 2 + 30
  apart = [square + 5, square + np.array([100, 5])]
  annotations = [
    _annotation(number, 4, 0, [square]),
    _annotation(number + 1, 4, 0, [small]),
    _annotation(number + 2, 4, 0, apart),
    _annotation(number + 3, 4, 0, []),
    _annotation(number + 4, 4, 0, [square + 40]),
  ]
  annotations[-1]['iscrowd'] = 1
  return annotations


def _annotation(number: int, image: int, kind: int, outlines: list) -> dict:
  """Returns an annotation of COCO with polygons as outlines."""
  points = np.concatenate([*outlines, [[0, 0]]])
  return {
    'id': number,
    'image_id': image,
    'category_id': kind,
    'bbox': [*map(float, cv2.boundingRect(points.astype(np.int32)))],
    'iscrowd': 0,
    'segmentation': [outline.ravel().tolist() for outline in outlines],
  }


def videos(root: Path) -> Path:
  """Writes two videos of nine frames, in which an ellipse becomes slim."""
  for name in ('left_out', 'long'):
    for frame in range(9):
      image, mask = _background(frame), np.zeros(SIZE, np.uint8)
      center, axes = (100 + 3 * frame, 75), (44 + frame, 30 - 2 * frame)
      cv2.ellipse(image, center, axes, 0, 0, 360, (30, 200, 220), -1)
      cv2.ellipse(mask, center, axes, 0, 0, 360, 1, -1)
      _write(root / f'JPEGImages/480p/{name}/{frame:05d}.jpg', image)
      _write(root / f'Annotations/480p/{name}/{frame:05d}.png', mask)
  return root


def backgrounds(root: Path, count: int) -> Path:
  """Writes photographs without objects."""
  root.mkdir()
  for number in range(count):
    _write(root / f'scene{number}.jpg', _background(number))
  return root


def _background(number: int) -> np.ndarray:
  """Draws a smooth picture that differs for every number."""
  coarse = np.random.default_rng(number).integers(0, 256, (4, 5, 3), np.uint8)
  return cv2.resize(coarse, SIZE[::-1], interpolation=cv2.INTER_CUBIC)


def _write(path: Path, image: np.ndarray) -> None:
  path.parent.mkdir(parents=True, exist_ok=True)
  assert cv2.imwrite(str(path), image)
