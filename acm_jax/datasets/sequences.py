"""One normal form of a video for every source, and its annotation files."""

import collections
import concurrent.futures
import dataclasses
import re
from collections.abc import Iterable, Iterator
from collections.abc import Sequence as Sequence_
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp')


@dataclasses.dataclass(frozen=True, eq=False)
class Sequence:
  """A video and the boxes of one target in it; frames stay on disk.

  Attributes:
    name: As the benchmark's result files are named.
    frame_paths: One image file a frame, in order.
    box_xywh: Box of each frame, px, 0-based; NaN where there is none.
    absent: Where the target is labelled as absent.
    attributes: What makes it hard, in the benchmark's words, if that is said.
  """

  name: str
  frame_paths: tuple[Path, ...]
  box_xywh: Float[np.ndarray, 'n 4']
  absent: Bool[np.ndarray, 'n']
  attributes: tuple[str, ...] = ()

  def __len__(self) -> int:
    return len(self.frame_paths)

  def frame(self, index: int) -> UInt8[np.ndarray, 'h w 3']:
    """Decodes an image; raises as `read_frame`."""
    return read_frame(self.frame_paths[index])

  @property
  def visible(self) -> Bool[np.ndarray, 'n']:
    """Frames with a box that is finite and has an area, not labelled absent."""
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
  """A sequence whose frames and rows belong together.

  Frames beyond the last row are left out, as all toolkits do.

  Args:
    name: Name of the sequence.
    frame_paths: Images in order.
    box_xywh: A row for each frame, px, 0-based.
    source: The annotation file, for messages.
    absent: 1 or True for each frame without the target.
    attributes: Of the sequence.

  Raises:
    ValueError: There are fewer frames than rows, or `absent` is not as long.
  """
  rows = len(box_xywh)
  if len(frame_paths) < rows:
    raise ValueError(
      f'{source}: {rows} rows, but sequence {name} has only '
      f'{len(frame_paths)} frames; restore the missing images'
    )
  absent = np.zeros(rows) if absent is None else absent
  if len(absent) != rows:
    raise ValueError(
      f'{source}: {rows} rows, but {len(absent)} marks of absence'
    )
  return Sequence(
    name,
    tuple(frame_paths[:rows]),
    np.asarray(box_xywh, np.float32),
    np.asarray(absent, bool),
    tuple(attributes),
  )


def read_frame(path: Path) -> UInt8[np.ndarray, 'h w 3']:
  """Decodes an image file to RGB.

  Raises:
    FileNotFoundError: The file is not there.
    ValueError: It cannot be decoded.
  """
  if not path.is_file():
    raise FileNotFoundError(f'{path}: no such image')
  return decode(path.read_bytes(), str(path))


def read_ahead(
  paths: Iterable[Path], ahead: int = 8
) -> Iterator[UInt8[np.ndarray, 'h w 3']]:
  """As `read_frame` of each path, the next ones decoded in threads."""
  with concurrent.futures.ThreadPoolExecutor(ahead) as pool:
    waiting: collections.deque = collections.deque()
    for path in paths:
      waiting.append(pool.submit(read_frame, path))
      if len(waiting) > ahead:
        yield waiting.popleft().result()
    while waiting:
      yield waiting.popleft().result()


def decode(data: bytes, where: str) -> UInt8[np.ndarray, 'h w 3']:
  """Decodes an image from the file `where` to RGB.

  Raises:
    ValueError: It cannot be decoded.
  """
  # OpenCV 4 fills up a JPEG that breaks off in its last scan with grey.
  torn = data[:2] == b'\xff\xd8' and (
    data.rfind(b'\xff\xd9') < data.rfind(b'\xff\xda')
  )
  pixels = None
  if data and not torn:
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
  if pixels is None:
    raise ValueError(f'{where}: cannot be decoded as an image; restore it')
  return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)


def frame_number(stem: str) -> int | None:
  """The number that the name of an image ends in."""
  digits = re.search(r'\d+$', stem)
  return int(digits[0]) if digits else None


def numbered_images(folder: Path) -> dict[int, Path]:
  """Images of a folder by the number that their names end in, ascending.

  Raises:
    FileNotFoundError: There is no such folder.
    ValueError: It has no images, or one without a number or with a used one.
  """
  if not folder.is_dir():
    raise FileNotFoundError(f'{folder}: no such folder of frames')
  images: dict[int, Path] = {}
  for path in sorted(folder.iterdir()):
    if path.suffix.lower() not in IMAGE_SUFFIXES:
      continue
    number = frame_number(path.stem)
    if number is None:
      raise ValueError(f'{path}: name does not end in a frame number')
    if number in images:
      raise ValueError(f'{path}: frame {number} is also {images[number].name}')
    images[number] = path
  if not images:
    raise ValueError(f'{folder}: no images in it')
  return dict(sorted(images.items()))


def read_rows(path: Path, columns: tuple[int, ...]) -> list[list[float]]:
  """Numbers of an annotation file, separated by commas, tabs or spaces.

  Args:
    path: Text file with one row a frame; empty lines at the end are allowed.
    columns: Permitted lengths of a row.

  Raises:
    FileNotFoundError: The file is not there.
    ValueError: A row is short or long or holds something else than numbers;
      the message names file and row (the first is 1).
  """
  if not path.is_file():
    raise FileNotFoundError(f'{path}: missing annotation file')
  return parse_rows(read_text(path), str(path), columns)


def read_text(path: Path) -> str:
  """A text file's content, without the mark that some editors begin with.

  Raises:
    ValueError: It is not text.
  """
  try:
    return path.read_text(encoding='utf-8-sig')
  except UnicodeDecodeError:
    raise ValueError(f'{path}: not a text file') from None


def parse_rows(
  text: str, where: str, columns: tuple[int, ...]
) -> list[list[float]]:
  """As `read_rows`, of a text from the file `where`."""
  rows = []
  for number, line in enumerate(text.rstrip().splitlines(), 1):
    fields = re.split(r'\s*,\s*|\s+', line.strip())
    if not line.strip() or ';' in line:
      what = 'semicolons' if line.strip() else 'an empty row'
      raise ValueError(
        f'{where} row {number}: {what}; give each frame a row of numbers with '
        'commas, tabs or spaces between them'
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
        f'{where} row {number}: {line.strip()!r} is not all numbers'
      ) from None
  return rows


def read_boxes(path: Path, first_pixel: int = 0) -> Float[np.ndarray, 'n 4']:
  """Boxes x, y, w, h of an annotation file, made 0-based.

  Args:
    path: Text file with four values a row; NaN where the target is absent.
    first_pixel: What the file calls the first pixel: 0, or 1 as in Matlab.

  Raises:
    FileNotFoundError: The file is not there.
    ValueError: It has no rows, or a row is not four numbers.
  """
  rows = read_rows(path, (4,))
  if not rows:
    raise ValueError(f'{path}: no boxes in it')
  box_xywh = np.array(rows)
  box_xywh[:, :2] -= first_pixel
  return box_xywh.astype(np.float32)
