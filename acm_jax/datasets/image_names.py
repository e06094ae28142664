"""The image files of a folder: their names, their order and their numbers.

The natural order compares the whole names, without case and suffix; the numbers
in names are compared as numbers: `shot_9_of_10.jpg` comes before
`shot_10_of_10.jpg`. Two whole numbers with a point between them are a decimal:
`1305031102.975304.png` comes before `1305031103.008804.png`.
"""

import itertools
import os
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple, TypeVar

from absl import logging

from acm_jax.host import listing

SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.webp')

_File = TypeVar('_File')

_WHOLE = r'\d+'
# A date such as 2024.01.31 has two points, and is not a decimal.
_DECIMAL = r'(?<![\d.])\d+\.\d+(?!\d|\.\d)'
# Patterns of names whose order has been logged.
_logged: set[str] = set()


class _Name(NamedTuple):
  """Name of an image, divided into numbers and the texts around them.

  Attributes:
    texts: Texts before, between and after the numbers; one more than numbers.
    numbers: Numbers in the name.
  """

  texts: tuple[str, ...]
  numbers: tuple[Decimal, ...]

  @property
  def key(self) -> tuple:
    """Texts and numbers in turn; tuples of names are in natural order."""
    pairs = zip(self.texts, self.numbers, strict=False)
    return (*itertools.chain.from_iterable(pairs), self.texts[-1])


def is_image(name: str) -> bool:
  """Returns whether a file has the suffix of an image and is not hidden."""
  return name.lower().endswith(SUFFIXES) and not listing.is_hidden(name)


def of_folder(folder: Path) -> list[Path]:
  """Returns the images of a folder in natural order; see `in_order`.

  Raises:
    FileNotFoundError: The folder does not exist.
    ValueError: The folder has no images, or their order is unknown.
  """
  return [folder / name for name in in_order(_listed(folder), str(folder))]


def numbered_folder(folder: Path) -> dict[int, Path]:
  """Returns a dictionary from numbers to images of a folder; see `numbered`.

  Raises:
    FileNotFoundError: The folder does not exist.
    ValueError: The folder has no images, or an image has no number of its own.
  """
  found = numbered(_listed(folder), str(folder))
  return {number: folder / name for number, name in found.items()}


def photographs(folder: Path, pattern: str) -> list[Path]:
  """Returns the images of a folder that belong to no sequence, sorted by path.

  Args:
    folder: Folder of photographs.
    pattern: Pattern of `Path.glob`: `*`, or `**/*` to search subfolders, too.

  Raises:
    FileNotFoundError: The folder does not exist.
    ValueError: The folder has no images.
  """
  if not folder.is_dir():
    raise FileNotFoundError(
      f'{folder}: no such folder of photographs; name an existing one'
    )
  found = [p for p in listing.find(folder, pattern) if is_image(p.name)]
  if not found:
    raise ValueError(
      f'{folder}: no images match {pattern}; name another folder'
    )
  return found


def _listed(folder: Path) -> list[str]:
  if not folder.is_dir():
    raise FileNotFoundError(
      f'{folder}: no such folder of frames; check the path'
    )
  with os.scandir(folder) as entries:
    return [entry.name for entry in entries if not entry.is_dir()]


def in_order(names: Iterable[str], where: str) -> list[str]:
  """Returns the image files of a folder in natural order.

  Logs the order unless names differ only in one whole number. Folders whose
  names have the same pattern are logged once.

  Args:
    names: Names of the files in the folder. Files that are no images are left
      out, and so are hidden files.
    where: Path of the folder, for messages.

  Raises:
    ValueError: There are no images; names have the same numbers, such as
      `1.jpg` and `01.jpg`, or `1_left.jpg` and `1_right.jpg`; or only some of
      the names have a number.
  """
  images = _images(names, where)
  after_point = _counts_after_point(images)
  number = _WHOLE if after_point else f'{_DECIMAL}|{_WHOLE}'
  parsed = {name: _parsed(name, number) for name in images}
  without = [name for name in images if not parsed[name].numbers]
  if 0 < len(without) < len(images):
    other = next(name for name in images if parsed[name].numbers)
    raise ValueError(
      f'{where}/{without[0]}: no number in the name, unlike {other}; rename or '
      'remove the file'
    )
  if without:
    _check_distinct({n: p.texts for n, p in parsed.items()}, 'name', where)
  else:
    _check_distinct({n: p.numbers for n, p in parsed.items()}, 'number', where)
  ordered = sorted(images, key=lambda name: parsed[name].key)
  obvious = _changing(parsed.values()) is not None and not after_point
  if len(ordered) > 1 and not obvious:
    _log_order(ordered, where)
  return ordered


def numbered(names: Iterable[str], where: str) -> dict[int, str]:
  """Returns a dictionary from frame numbers to the image files of a folder.

  Data sets number the images of a sequence. The frame number is the only number
  that changes from name to name or, if several numbers change, the number at
  the end. The dictionary is in ascending order of frame numbers.

  Args:
    names: Names of the files in the folder. Files that are no images are left
      out, and so are hidden files.
    where: Path of the folder, for messages.

  Raises:
    ValueError: There are no images; a name has no number, or not at the end
      although several numbers change; two names have the same number; or the
      numbers are not in the natural order of the names.
  """
  images = _images(names, where)
  parsed = {name: _parsed(name, _WHOLE) for name in images}
  place = _changing(parsed.values())
  if place is None:
    place = -1
    for name in images:
      if not parsed[name].numbers or parsed[name].texts[-1]:
        raise ValueError(
          f'{where}/{name}: name does not end in a frame number; rename or '
          'remove the file'
        )
  numbers = {name: int(parsed[name].numbers[place]) for name in images}
  _check_distinct(numbers, 'number', where)
  ordered = sorted(images, key=numbers.get)
  for before, after in itertools.pairwise(ordered):
    if parsed[before].key > parsed[after].key:
      raise ValueError(
        f'{where}: {before} ends in a smaller number than {after}, but comes '
        'after it in the order of names; give each image one number, counted '
        'by one'
      )
  return {numbers[name]: name for name in ordered}


def counts(names: Iterable[str]) -> bool:
  """Returns whether a single whole number changes from name to name."""
  return _changing([_parsed(name, _WHOLE) for name in names]) is not None


def of_rows(
  files: Mapping[int, _File],
  rows: int,
  name: str,
  where: str,
  first: int | None = None,
) -> list[_File]:
  """Returns the image of each row of an annotation, found by its number.

  Row i, counted from 0, belongs to image `first` + i. Images beyond the last
  row are left out, as in all benchmark toolkits.

  Args:
    files: Dictionary from numbers, ascending, to image files.
    rows: Number of rows.
    name: Name of the sequence, for messages.
    where: Annotation file, for messages.
    first: Number of the image that the first row belongs to (default: 0 if
      there is an image 0, else 1).

  Raises:
    ValueError: A row has no image; the message names the row and the number.
  """
  if first is None:
    first = 0 if 0 in files else 1
  last = max(files)
  for row, number in enumerate(range(first, first + rows), 1):
    if number in files:
      continue
    if number > last >= first:
      count = sum(each >= first for each in files)
      raise ValueError(
        f'{where}: {rows} rows, but {name} has only {count} frames; add the '
        'missing images'
      )
    raise ValueError(
      f'{where} row {row}: image {number} of {name} is missing; add the image'
    )
  return [files[number] for number in range(first, first + rows)]


def _images(names: Iterable[str], where: str) -> list[str]:
  """Returns the sorted names of images; raises ValueError if there are none."""
  images = sorted(filter(is_image, names))
  if not images:
    raise ValueError(
      f'{where}: contains no images ({", ".join(SUFFIXES)}); choose the folder '
      'that holds the frames'
    )
  return images


def _stem(name: str) -> str:
  return os.path.splitext(name)[0].casefold()


def _parsed(name: str, number: str) -> _Name:
  stem = _stem(name)
  return _Name(
    tuple(re.split(number, stem)),
    tuple(map(Decimal, re.findall(number, stem))),
  )


def _counts_after_point(names: Iterable[str]) -> bool:
  """Returns whether the numbers after points are whole, as in 1.9 and 1.10.

  Decimals of different lengths have no zeros at the end, except as in 1.0.
  """
  found = [each for name in names for each in re.findall(_DECIMAL, _stem(name))]
  fractions = {each.partition('.')[2] for each in found}
  ends_in_zero = any(len(f) > 1 and f.endswith('0') for f in fractions)
  return ends_in_zero and len(set(map(len, fractions))) > 1


def _changing(parsed: Iterable[_Name]) -> int | None:
  """Returns the place of the only number in which names differ.

  Returns:
    The place in `numbers`; that of the last number if there is only one name.
    None if names differ in more than one number or in a text, have no number,
    or the number is a decimal.
  """
  texts, numbers = zip(*parsed, strict=True)
  if len(set(texts)) > 1 or not numbers[0]:
    return None
  columns = list(map(set, zip(*numbers, strict=True)))
  places = [i for i, values in enumerate(columns) if len(values) > 1]
  places = places or [len(columns) - 1]
  if len(places) > 1 or any(n != int(n) for n in columns[places[0]]):
    return None
  return places[0]


def _check_distinct(
  identities: Mapping[str, object], kind: str, where: str
) -> None:
  """Raises ValueError if two names have the same identity of a kind."""
  seen: dict[object, str] = {}
  for name, identity in identities.items():
    if identity in seen:
      raise ValueError(
        f'{where}/{name}: same {kind} as {seen[identity]}; remove one, or give '
        'each series of images a folder of its own'
      )
    seen[identity] = name


def _log_order(ordered: list[str], where: str) -> None:
  pattern = re.sub(_WHOLE, '0', ordered[0])
  if pattern not in _logged:
    _logged.add(pattern)
    head = ', '.join(ordered[:3])
    logging.warning(
      '%s: the order of the %d images is the natural order of their names: '
      '%s, ..., %s',
      where,
      len(ordered),
      head,
      ordered[-1],
    )
