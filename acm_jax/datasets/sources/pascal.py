"""Annotation files in the format of Pascal VOC, which ImageNet uses."""

from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np

from acm_jax.datasets.trees import Tree


class Object(NamedTuple):
  """An annotated object in an image.

  Attributes:
    track: Number that identifies the object in all frames of its video; in a
      still image, position of the object in the file, counted from 0.
    box_xywh: Box of the object, px, 0-based; the width is xmax - xmin, as in
      pysot.
  """

  track: str
  box_xywh: np.ndarray


def objects(tree: Tree, name: str) -> list[Object]:
  """Reads the objects from the annotation file of an image.

  Raises:
    FileNotFoundError: The file does not exist.
    ValueError: The file is not XML, or an object has no box.
  """
  where = tree.where(name)
  try:
    root = ElementTree.fromstring(tree.read(name))
  except ElementTree.ParseError as error:
    raise ValueError(f'{where}: not XML ({error}); download it again') from None
  found = []
  for number, element in enumerate(root.iter('object')):
    edges = [
      element.findtext(f'bndbox/{edge}')
      for edge in ('xmin', 'ymin', 'xmax', 'ymax')
    ]
    try:
      x1, y1, x2, y2 = map(float, edges)
    except (TypeError, ValueError):
      raise ValueError(
        f'{where}: object {number} has no box of four numbers; download the '
        'file again'
      ) from None
    track = element.findtext('trackid') or str(number)
    found.append(Object(track, np.array([x1, y1, x2 - x1, y2 - y1])))
  return found
