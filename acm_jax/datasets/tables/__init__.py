"""The official lists of sequences of benchmarks, and their places in videos.

A table has a row a sequence, in the official order or that of the names; where
it is known, how many frames the official annotation has; and where several are
cut from a video, its folder and the numbers of the first and the last image.
"""

import csv
import functools
from importlib import resources
from typing import NamedTuple


class Place(NamedTuple):
  """Where the images of a sequence are.

  Attributes:
    folder: The video's.
    first: Number of the first image.
    last: Number of the last.
  """

  folder: str
  first: int
  last: int


def names(table: str) -> tuple[str, ...]:
  """The sequences of a benchmark."""
  return tuple(row['sequence'] for row in _rows(table))


def frames(table: str) -> dict[str, int]:
  """Frames of the official annotations by sequence; empty where not known."""
  rows = _rows(table)
  if 'first' in rows[0]:
    return {name: p.last - p.first + 1 for name, p in places(table).items()}
  if 'frames' in rows[0]:
    return {row['sequence']: int(row['frames']) for row in rows}
  return {}


def places(table: str) -> dict[str, Place]:
  """Where the sequences of a benchmark that cuts videos are, by name."""
  return {
    row['sequence']: Place(row['folder'], int(row['first']), int(row['last']))
    for row in _rows(table)
  }


@functools.cache
def _rows(table: str) -> tuple[dict[str, str], ...]:
  file = resources.files(__name__) / f'{table}.csv'
  return tuple(csv.DictReader(file.read_text().splitlines()))
