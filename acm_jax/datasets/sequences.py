"""Sequences: annotated videos of benchmarks, and readers of their files."""

import collections
import concurrent.futures
import dataclasses
from collections.abc import Iterator
from collections.abc import Sequence as Sequence_
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, UInt8

from acm_jax.datasets.image_files import Reader
from acm_jax.host import text_files


@dataclasses.dataclass(frozen=True, eq=False)
class Sequence:
  """A video and the boxes of one target; frames are read only when requested.

  Attributes:
    name: Name of the sequence, as in the benchmark's result files.
    frame_paths: Image file of each frame, in order.
    box_xywh: Box in each frame, px, 0-based; NaN where none is annotated.
    absent: Whether the target is labelled as absent, for each frame.
    attributes: Names that the benchmark gives to the challenges in the
      sequence, such as occlusion; empty if unknown.
  """

  name: str
  frame_paths: tuple[Path, ...]
  box_xywh: Float[np.ndarray, 'n 4']
  absent: Bool[np.ndarray, 'n']
  attributes: tuple[str, ...] = ()
  _read: Reader | None = dataclasses.field(init=False, repr=False)

  def __post_init__(self):
    read = Reader(self.frame_paths[0]) if self.frame_paths else None
    object.__setattr__(self, '_read', read)

  def __len__(self) -> int:
    return len(self.frame_paths)

  def frame(self, index: int) -> UInt8[np.ndarray, 'h w 3']:
    """Reads the image of a frame, counted from 0, as RGB.

    Images with more than 8 bits per channel are stretched by the range of the
    first frame; see `image_files.Reader`.

    Raises:
      FileNotFoundError: The image file does not exist.
      ValueError: The image file cannot be decoded.
    """
    return self._read(self.frame_paths[index])

  @property
  def visible(self) -> Bool[np.ndarray, 'n']:
    """Whether the target is visible in each frame.

    The target is visible if its box has a positive area and no label says that
    the target is absent.
    """
    return (
      np.isfinite(self.box_xywh).all(axis=1)
      & (self.box_xywh[:, 2:] > 0).all(axis=1)
      & ~self.absent
    )


def make(
  name: str,
  frame_paths: list[Path],
  box_xywh: np.ndarray,
  source: Path,
  absent: np.ndarray | None = None,
  attributes: Sequence_[str] = (),
) -> Sequence:
  """Makes a sequence after checking that every row has a frame.

  Frames beyond the last row are left out, as in all benchmark toolkits.

  Args:
    name: Name of the sequence.
    frame_paths: Image file of each frame, in order.
    box_xywh: Rows of the annotation: the box of each frame, px, 0-based.
    source: Annotation file, for messages.
    absent: Whether the target is absent, for each row (default: never).
    attributes: Names of the challenges in the sequence, such as occlusion.

  Raises:
    ValueError: There are fewer frames than rows, or `absent` and `box_xywh`
      differ in length.
  """
  rows = len(box_xywh)
  if len(frame_paths) < rows:
    raise ValueError(
      f'{source}: {rows} rows, but sequence {name} has only '
      f'{len(frame_paths)} frames; add the missing images'
    )
  absent = np.zeros(rows) if absent is None else absent
  if len(absent) != rows:
    raise ValueError(
      f'{source}: {rows} rows, but {len(absent)} absence labels; give each row '
      'one label'
    )
  return Sequence(
    name,
    tuple(frame_paths[:rows]),
    np.asarray(box_xywh, np.float32),
    np.asarray(absent, bool),
    tuple(attributes),
  )


def read_ahead(
  sequence: Sequence, ahead: int = 8
) -> Iterator[UInt8[np.ndarray, 'h w 3']]:
  """Yields the RGB image of each frame of a sequence, in order.

  Threads decode the next `ahead` images in advance.

  Raises:
    FileNotFoundError: An image file does not exist.
    ValueError: An image file cannot be decoded.
  """
  with concurrent.futures.ThreadPoolExecutor(ahead) as pool:
    waiting: collections.deque = collections.deque()
    for index in range(len(sequence)):
      waiting.append(pool.submit(sequence.frame, index))
      if len(waiting) > ahead:
        yield waiting.popleft().result()
    while waiting:
      yield waiting.popleft().result()


def read_rows(path: Path, columns: tuple[int, ...]) -> list[list[float]]:
  """Reads rows of numbers that are separated by commas, tabs or spaces.

  A separator may also follow the last number of a row.

  Args:
    path: Text file; empty lines are allowed only at the end.
    columns: Permitted lengths of a row.

  Returns:
    One list of numbers for each row.

  Raises:
    FileNotFoundError: The file does not exist.
    ValueError: The file is not text, or a row has the wrong length or a value
      that is not a number. The message names the file and the row, counted from
      1.
  """
  if not path.is_file():
    raise FileNotFoundError(f'{path}: no such annotation file; check the path')
  return parse_rows(text_files.read(path), str(path), columns)


def parse_rows(
  text: str, where: str, columns: tuple[int, ...]
) -> list[list[float]]:
  """Parses rows of numbers that are separated by commas, tabs or spaces.

  A separator may also follow the last number of a row.

  Args:
    text: Content of a file; empty lines are allowed only at the end.
    where: Name of the file, for messages.
    columns: Permitted lengths of a row.

  Returns:
    One list of numbers for each row.

  Raises:
    ValueError: A row has the wrong length or a value that is not a number.
  """
  rows = []
  for number, line in enumerate(text.rstrip().splitlines(), 1):
    fields = text_files.fields(line)
    if not line.strip() or ';' in line:
      problem = 'contains semicolons' if line.strip() else 'is empty'
      raise ValueError(
        f'{where} row {number}: {problem}; give each frame a row of numbers '
        'separated by commas, tabs or spaces'
      )
    if len(fields) not in columns:
      allowed = ' or '.join(map(str, columns))
      raise ValueError(
        f'{where} row {number}: {len(fields)} values, not {allowed}'
      )
    try:
      rows.append([float(field) for field in fields])
    except ValueError:
      raise ValueError(
        f'{where} row {number}: {line.strip()!r} contains a value that is not '
        'a number'
      ) from None
  return rows


def read_boxes(path: Path, first_pixel: int = 0) -> Float[np.ndarray, 'n 4']:
  """Reads boxes x, y, w, h from an annotation file and makes them 0-based.

  Args:
    path: Text file with four values per row; the values may be NaN where the
      target is absent.
    first_pixel: Coordinate that the file gives to the first pixel of an image:
      0, or 1 as in Matlab.

  Raises:
    FileNotFoundError: The file does not exist.
    ValueError: The file has no rows, or a row is not four numbers.
  """
  rows = read_rows(path, (4,))
  if not rows:
    raise ValueError(
      f'{path}: contains no boxes; give one row x,y,w,h per frame'
    )
  box_xywh = np.array(rows)
  box_xywh[:, :2] -= first_pixel
  return box_xywh.astype(np.float32)
