"""XML of CVAT, "CVAT for video 1.1".

Source: docs.cvat.ai (XML annotation format).
"""

import math
from collections.abc import Iterator, Sequence
from xml.etree import ElementTree

from acm_jax.datasets.exports.target import (
  UNKNOWN,
  Entry,
  Footage,
  Size,
  Target,
)
from acm_jax.datasets.trees import Tree
from acm_jax.datasets.videos import Video

_CORNERS = ('xtl', 'ytl', 'xbr', 'ybr')


def read(tree: Tree, name: str, video: Video) -> Iterator[Entry]:
  """Yields the boxes of a file of "CVAT for video"."""
  where = tree.where(name)
  try:
    root = ElementTree.fromstring(tree.read(name))
  except ElementTree.ParseError as error:
    raise ValueError(
      f'{where}: not XML ({error}); export the annotations again'
    ) from None
  if root.tag != 'annotations' or root.find('image') is not None:
    raise ValueError(
      f'{where}: not in the format "CVAT for video 1.1", in which boxes belong '
      'to tracks; export the annotations again in this format'
    )
  size_hw = _stated_size(root, video, where)
  for number, track in enumerate(root.iter('track')):
    for box in track.iter('box'):
      place = f'{where}, track {number}, frame {box.get("frame")}'
      try:
        frame = int(box.attrib['frame'])
        corners = [float(box.attrib[name]) for name in _CORNERS]
        angle = float(box.get('rotation', 0))
      except (KeyError, ValueError) as error:
        raise ValueError(
          f'{place}: damaged box ({error!r}); export the annotations again'
        ) from None
      yield Entry(
        f'track {number}',
        frame,
        _upright(*corners, angle),
        place,
        category=track.get('label') or UNKNOWN,
        occluded=box.get('occluded') == '1',
        # CVAT interpolates the boxes between key frames.
        given=box.get('keyframe') != '0',
        outside=box.get('outside') == '1',
        size_hw=size_hw,
      )


def _stated_size(
  root: ElementTree.Element, video: Video, where: str
) -> Size | None:
  """Returns the size of the annotated video, and checks its length.

  A task may be a part of the video, or have only every nth frame of it.
  """
  facts: dict[str, int] = {}
  for path in ('task', 'job', 'task/original_size', 'job/original_size'):
    for entry in root.iterfind(f'meta/{path}/*'):
      if (entry.text or '').strip().isdecimal():
        facts[entry.tag] = int(entry.text)
  whole = not facts.get('start_frame') and not root.findtext('.//frame_filter')
  length = facts.get('size') if whole else None
  if None not in (length, video.length) and length != video.length:
    raise ValueError(
      f'{where}: belongs to a video of {length} frames, but {video.name} has '
      f'{video.length}; give the video that was annotated'
    )
  if 'width' in facts and 'height' in facts:
    return facts['height'], facts['width']
  return None


def text(targets: Sequence[Target], footage: Footage) -> str:
  """Returns targets as XML.

  CVAT interpolates between boxes. The first frame in which a target is absent
  therefore gets its last box, marked as outside.
  """
  root = ElementTree.Element('annotations')
  ElementTree.SubElement(root, 'version').text = '1.1'
  task = ElementTree.SubElement(ElementTree.SubElement(root, 'meta'), 'task')
  facts = {
    'name': footage.name,
    'size': footage.length,
    'mode': 'interpolation',
    'start_frame': 0,
    'stop_frame': footage.length - 1,
  }
  for name, value in facts.items():
    ElementTree.SubElement(task, name).text = str(value)
  labels = ElementTree.SubElement(task, 'labels')
  for category in dict.fromkeys(target.category for target in targets):
    label = ElementTree.SubElement(labels, 'label')
    ElementTree.SubElement(label, 'name').text = category
    ElementTree.SubElement(label, 'attributes')
  size = ElementTree.SubElement(task, 'original_size')
  height, width = next(iter(footage.size_hw.values()))
  ElementTree.SubElement(size, 'width').text = str(width)
  ElementTree.SubElement(size, 'height').text = str(height)
  for number, target in enumerate(targets):
    _add_track(root, number, target, footage.length)
  ElementTree.indent(root)
  return (
    '<?xml version="1.0" encoding="utf-8"?>\n'
    + ElementTree.tostring(root, encoding='unicode')
    + '\n'
  )


def _add_track(
  root: ElementTree.Element, number: int, target: Target, length: int
) -> None:
  track = ElementTree.SubElement(
    root, 'track', id=str(number), label=target.category, source='auto'
  )
  for frame, (x, y, w, h) in target.boxes.items():
    corners = [f'{value:.3f}' for value in (x, y, x + w, y + h)]
    box = dict(zip(_CORNERS, corners, strict=True))
    occluded = str(int(frame in target.occluded))
    marks = {'keyframe': '1', 'outside': '0', 'occluded': occluded}
    shown = {'frame': str(frame), **marks, **box, 'z_order': '0'}
    ElementTree.SubElement(track, 'box', shown)
    if frame + 1 not in target.boxes and frame + 1 < length:
      hidden = {**shown, 'frame': str(frame + 1), 'outside': '1'}
      ElementTree.SubElement(track, 'box', hidden)


def _upright(
  left: float, top: float, right: float, bottom: float, angle: float
) -> tuple[float, float, float, float]:
  """Returns the smallest upright box around a rectangle.

  Args:
    left: Left edge of the rectangle before it is rotated, px.
    top: Upper edge, px.
    right: Right edge, px.
    bottom: Lower edge, px.
    angle: Angle by which the rectangle is rotated around its centre, degrees.
  """
  w, h = right - left, bottom - top
  turn = math.radians(angle)
  cosine, sine = abs(math.cos(turn)), abs(math.sin(turn))
  width, height = w * cosine + h * sine, w * sine + h * cosine
  x, y = (left + right - width) / 2, (top + bottom - height) / 2
  return x, y, width, height
