"""Official lists of the sequences of benchmarks.

A table has one row per sequence, in the official order or sorted by name, and
the columns

    sequence             name of the sequence
    frames               number of frames in the official annotation, if known
    folder, first, last  folder of the video, and numbers of the first and the
                         last image, if several sequences share a video
"""

import csv
import functools
from importlib import resources
from typing import NamedTuple

from acm_jax.host import text_files


class VideoPart(NamedTuple):
  """Part of a video that forms a sequence: the images `first` to `last`.

  Attributes:
    folder: Folder of the video.
    first: Number of the first image.
    last: Number of the last image.
  """

  folder: str
  first: int
  last: int


def names(table: str) -> tuple[str, ...]:
  """Returns the names of a benchmark's sequences, from `<table>.csv`."""
  return tuple(row['sequence'] for row in _rows(table))


def frames(table: str) -> dict[str, int]:
  """Returns a dictionary from sequence names to numbers of annotated frames.

  The dictionary is empty if the table does not state the numbers.
  """
  rows = _rows(table)
  if 'first' in rows[0]:
    return {name: p.last - p.first + 1 for name, p in parts(table).items()}
  if 'frames' in rows[0]:
    return {row['sequence']: int(row['frames']) for row in rows}
  return {}


def parts(table: str) -> dict[str, VideoPart]:
  """Returns a dictionary from sequence names to the parts of videos."""
  return {
    row['sequence']: VideoPart(
      row['folder'], int(row['first']), int(row['last'])
    )
    for row in _rows(table)
  }


@functools.cache
def _rows(table: str) -> tuple[dict[str, str], ...]:
  file = resources.files(__name__) / f'{table}.csv'
  return tuple(csv.DictReader(text_files.read(file).splitlines()))
