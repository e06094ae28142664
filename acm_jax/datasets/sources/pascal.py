"""Annotation files of Pascal VOC's form, as ImageNet's sets have them."""

from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np

from acm_jax.datasets.trees import Tree


class Object(NamedTuple):
  """A box in an image.

  Attributes:
    track: Number of the target in its video; of an image, of the object.
    box_xywh: Px, 0-based; the width is xmax - xmin, as pysot has it.
  """

  track: str
  box_xywh: np.ndarray


def objects(tree: Tree, name: str) -> list[Object]:
  """The objects of an image.

  Raises:
    FileNotFoundError: The file is not there.
    ValueError: It is not XML, or an object has no box.
  """
  where = tree.where(name)
  try:
    root = ElementTree.fromstring(tree.read(name))
  except ElementTree.ParseError as error:
    raise ValueError(f'{where}: not XML ({error}); fetch it again') from None
  found = []
  for number, element in enumerate(root.iter('object')):
    edges = [
      element.findtext(f'bndbox/{edge}')
      for edge in ('xmin', 'ymin', 'xmax', 'ymax')
    ]
    try:
      x1, y1, x2, y2 = map(float, edges)
    except (TypeError, ValueError):
      raise ValueError(f'{where}: object {number} has no box') from None
    track = element.findtext('trackid') or str(number)
    found.append(Object(track, np.array([x1, y1, x2 - x1, y2 - y1])))
  return found
