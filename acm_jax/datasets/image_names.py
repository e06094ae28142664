"""The image files of a folder: their names, their order and their numbers.

The natural order compares the whole names, without case and suffix; the numbers
in names are compared as numbers: `shot_9_of_10.jpg` comes before
`shot_10_of_10.jpg`. Two whole numbers with a point between them are a decimal
or two numbers, whichever the other names show: `1.25.png`, `1.5.png` are times
and `2.9.png`, `2.10.png` are counted.
"""

import itertools
import os
import re
import statistics
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
_DECIMAL_OR_WHOLE = f'{_DECIMAL}|{_WHOLE}'
# Number of steps that must be regular to show what a point means, their share,
# and by how much they may differ from the median, for rates such as 240 per
# second in whole milliseconds.
_REGULAR_STEPS, _REGULAR_SHARE, _DEVIATION = 3, 0.75, 0.25
# A gap of this share of all numbers with as many digits is unusual.
_LARGE_GAP = 0.8
# Number of names that a message lists.
_LISTED = 4
# Patterns of names, and how they were ordered, that have been logged.
_logged: set[tuple[str, str]] = set()


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

  Logs the order unless names differ only in one whole number, without a gap
  such as between `DSC_0001.jpg` and `DSC_9999.jpg`, which may be the other way
  round. Folders whose names have the same pattern are logged once.

  Args:
    names: Names of the files in the folder. Files that are no images are left
      out, and so are hidden files.
    where: Path of the folder, for messages.

  Raises:
    ValueError: There are no images; names have the same numbers, such as
      `1.jpg` and `01.jpg`, or `1_left.jpg` and `1_right.jpg`; only some of the
      names have a number; or points in names may have two meanings.
  """
  images = _images(names, where)
  number, reason = _number_pattern(images, where)
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
  if len(ordered) > 1 and (reason or not _is_obvious(ordered)):
    _log_order(ordered, reason, where)
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
    ValueError: A row has no image; the message names the row and the number. Or
      `first` is None, and the rows fit the images from 0 and those from 1.
  """
  if first is None:
    first = 0 if 0 in files else 1
    if all(number in files for number in range(rows + 1)):
      raise ValueError(
        f'{where}: {rows} rows, but {name} has images 0 to {rows}, so that the '
        'first row may belong to image 0 or 1; remove the image without a row'
      )
  begin, last = min(files), max(files)
  for row, number in enumerate(range(first, first + rows), 1):
    if number in files:
      continue
    if number > last >= first:
      count = sum(each >= first for each in files)
      raise ValueError(
        f'{where}: {rows} rows, but {name} has only {count} frames; add the '
        'missing images'
      )
    advice = 'add the image'
    if number < begin:
      advice = (
        f'the first image is {begin}; add those before it, or number the '
        f'images from {first}'
      )
    raise ValueError(
      f'{where} row {row}: image {number} of {name} is missing; {advice}'
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


def _number_pattern(names: list[str], where: str) -> tuple[str, str]:
  """Returns the pattern of a number in names, with decimals or without.

  Returns:
    The pattern, and what it makes of points, for messages; an empty text if
    both meanings of points lead to the same order.

  Raises:
    ValueError: The meaning of points is unknown.
  """
  after_point: dict[str, str] = {}
  for name in names:
    for decimal in re.findall(_DECIMAL, _stem(name)):
      after_point.setdefault(decimal.partition('.')[2], name)
  if len({len(digits) for digits in after_point}) <= 1:
    return _DECIMAL_OR_WHOLE, ''
  counted = _WHOLE, 'numbers after points are counted, as in 1.9, 1.10'
  decimal = _DECIMAL_OR_WHOLE, 'numbers with points are decimals'
  shortest, longest = (pick(after_point, key=len) for pick in (min, max))
  # Decimals of different lengths have no zeros at the end, except as in 1.0,
  # and counted numbers have no zeros in front that make them longer.
  if any(len(d) > 1 and d.endswith('0') for d in after_point):
    return counted
  if any(len(d) > len(shortest) and d.startswith('0') for d in after_point):
    return decimal
  regular = [_regular_share(names, each[0]) for each in (counted, decimal)]
  if max(regular) < _REGULAR_SHARE or regular[0] == regular[1]:
    raise ValueError(
      f'{where}: the order of the images is unknown, because the numbers after '
      f'points differ in length, as in {after_point[shortest]} and '
      f'{after_point[longest]}, and may be decimals or not; write all of them '
      'with the same number of digits'
    )
  return counted if regular[0] > regular[1] else decimal


def _regular_share(names: list[str], number: str) -> float:
  """Returns the share of regular steps between names, 0 to 1.

  Args:
    names: Names of images.
    number: Pattern of a number. If several numbers change, or the steps are
      few, the share is 0.
  """
  parsed = [_parsed(name, number) for name in names]
  place = _changing(parsed)
  if place is None or len(names) <= _REGULAR_STEPS:
    return 0.0
  values = sorted(name.numbers[place] for name in parsed)
  steps = [after - before for before, after in itertools.pairwise(values)]
  median = float(statistics.median(steps))
  deviations = [abs(float(step) - median) for step in steps]
  return sum(d <= _DEVIATION * median for d in deviations) / len(steps)


def _changing(parsed: Iterable[_Name]) -> int | None:
  """Returns the place of the only number in which names differ.

  Returns:
    The place in `numbers`; that of the last number if there is only one name.
    None if names differ in more than one number or in a text, or have no
    number.
  """
  texts, numbers = zip(*parsed, strict=True)
  if len(set(texts)) > 1 or not numbers[0]:
    return None
  columns = list(map(set, zip(*numbers, strict=True)))
  places = [i for i, values in enumerate(columns) if len(values) > 1]
  places = places or [len(columns) - 1]
  return places[0] if len(places) == 1 else None


def _is_obvious(ordered: list[str]) -> bool:
  """Returns whether names count in one whole number, without a large gap."""
  parsed = [_parsed(name, _WHOLE) for name in ordered]
  place = _changing(parsed)
  if place is None:
    return False
  numbers = [int(name.numbers[place]) for name in parsed]
  gap = max(after - before for before, after in itertools.pairwise(numbers))
  return gap <= _LARGE_GAP * 10 ** len(str(numbers[-1]))


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


def _log_order(ordered: list[str], reason: str, where: str) -> None:
  pattern = re.sub(_WHOLE, '0', ordered[0])
  if (pattern, reason) not in _logged:
    _logged.add((pattern, reason))
    middle = ['...'] if len(ordered) > _LISTED else []
    head = ordered[: _LISTED - 1]
    logging.warning(
      '%s: the order of the %d images is the natural order of their names%s: '
      '%s',
      *(where, len(ordered), f', in which {reason}' if reason else ''),
      ', '.join([*head, *middle, *ordered[len(head) :][-1:]]),
    )
