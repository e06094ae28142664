"""Reads and writes text files: the encoding never depends on the locale.

Files are written in UTF-8. Files that others wrote may also begin with a byte
order mark, be in UTF-16 with such a mark, or end their lines as on Windows or
on an old Mac.
"""

import codecs
import re
from pathlib import Path

from etils import epath

# Encodings by the byte order mark at the beginning of a file. The mark of
# UTF-32 begins like that of UTF-16.
_MARKS = (
  (codecs.BOM_UTF32_LE, 'utf-32'),
  (codecs.BOM_UTF32_BE, 'utf-32'),
  (codecs.BOM_UTF16_LE, 'utf-16'),
  (codecs.BOM_UTF16_BE, 'utf-16'),
)


def read(path: Path | epath.Path) -> str:
  r"""Reads a text file; every line ends in `\n`.

  Raises:
    OSError: The file does not exist or cannot be read.
    ValueError: The file is not text; see `decode`.
  """
  return decode(path.read_bytes(), str(path))


def lines(path: Path | epath.Path) -> list[str]:
  """Reads the lines of a text file, without spaces around them or empty lines.

  Raises:
    OSError: The file does not exist or cannot be read.
    ValueError: The file is not text; see `decode`.
  """
  return [line.strip() for line in read(path).split('\n') if line.strip()]


def decode(data: bytes, where: str) -> str:
  r"""Decodes the content of a text file; every line ends in `\n`.

  Args:
    data: Content of the file: UTF-8, or UTF-16 or UTF-32 with a byte order
      mark. Lines may end in `\n`, `\r\n` or `\r`. The mark is removed.
    where: Name of the file, for messages.

  Raises:
    ValueError: The content has another encoding, or is not text.
  """
  encoding = next(
    (name for mark, name in _MARKS if data.startswith(mark)), 'utf-8-sig'
  )
  try:
    text = data.decode(encoding)
  except UnicodeDecodeError as error:
    line = data.count(b'\n', 0, error.start) + 1
    raise ValueError(
      f'{where}: not a text file in UTF-8 (line {line}); save it in UTF-8, or '
      'replace it with an intact copy'
    ) from None
  if '\0' in text:
    raise ValueError(
      f'{where}: contains zero bytes, as damaged files do, and text in UTF-16 '
      'without a byte order mark; save it in UTF-8, or replace it with an '
      'intact copy'
    )
  return text.replace('\r\n', '\n').replace('\r', '\n')


def write(path: Path | epath.Path, text: str) -> None:
  """Writes a text file in UTF-8.

  The name of a file that is not UTF-8 is written with its own bytes.
  """
  path.write_bytes(text.encode('utf-8', 'surrogateescape'))


def fields(line: str) -> list[str]:
  """Splits a line at commas, tabs and spaces.

  A comma may have spaces around it. A separator after the last field is
  ignored; two commas in a row have an empty field between them.
  """
  return re.split(r'\s*,\s*|\s+', re.sub(r'\s*,$', '', line.strip()))
