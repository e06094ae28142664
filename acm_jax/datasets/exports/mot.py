"""Rows of MOT challenge: frame, id, x, y, w, h, conf, class, visibility.

Frames and coordinates are 1-based. CVAT writes visibility 0 for a box that is
marked as occluded.

Source: arXiv:1603.00831 (MOT16).
"""

from collections.abc import Iterator, Sequence

from acm_jax.datasets import sequences
from acm_jax.datasets.exports.target import Entry, Footage, Target
from acm_jax.datasets.trees import Tree
from acm_jax.datasets.videos import Video


def read(tree: Tree, name: str, video: Video) -> Iterator[Entry]:
  """Yields the boxes of a file of MOT."""
  del video
  where = tree.where(name)
  rows = sequences.parse_rows(tree.text(name), where, tuple(range(6, 11)))
  for number, (frame, target, x, y, w, h, *rest) in enumerate(rows, 1):
    place = f'{where} row {number}'
    if not (frame.is_integer() and target.is_integer() and target >= 0):
      raise ValueError(
        f'{place}: frame {frame:g} and id {target:g} must be whole numbers, '
        'and the id must not be negative, as it is in files of detections; '
        'give the ground truth of tracks'
      )
    if not rest or rest[0]:
      box_xywh = x - 1, y - 1, w, h
      yield Entry(
        f'id {target:g}',
        int(frame) - 1,
        box_xywh,
        place,
        occluded=len(rest) > 2 and rest[2] == 0,
      )


def text(targets: Sequence[Target], footage: Footage) -> str:
  """Returns targets as rows, sorted by id and frame.

  The class is the number of the category, from 1, among those of `targets`.
  """
  del footage
  categories = list(dict.fromkeys(target.category for target in targets))
  rows = []
  for number, target in enumerate(targets, 1):
    kind = categories.index(target.category) + 1
    for frame, (x, y, w, h) in target.boxes.items():
      box = ','.join(f'{value:.3f}' for value in (x + 1, y + 1, w, h))
      visibility = int(frame not in target.occluded)
      rows.append(f'{frame + 1},{number},{box},1,{kind},{visibility}\n')
  return ''.join(rows)
