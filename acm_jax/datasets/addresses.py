"""Addresses of videos and streams."""

import re
import urllib.parse

_ADDRESS = re.compile(r'[a-z][a-z0-9+.-]+://', re.IGNORECASE)
# A part of a name in the query whose value may be secret.
_SECRET = r'user|usr|login|pass|pwd|psw|token|key|auth|secret|sig'
_VALUE = re.compile(
  rf'([?&;][^=&;]*(?:{_SECRET})[^=&;]*=)[^&;]*', re.IGNORECASE
)
_FILE = re.compile(r'file:(?://[^/]*(?=/))?', re.IGNORECASE)


def is_address(source: str) -> bool:
  """Returns whether a text begins like an address, with `PROTOCOL://`."""
  return bool(_ADDRESS.match(source))


def path(source: str) -> str | None:
  """Returns the path in an address of a file, such as `file:///a%20b.mp4`.

  Returns:
    The path, or None if the text is not the address of a file.
  """
  begin = _FILE.match(source)
  return urllib.parse.unquote(source[begin.end() :]) if begin else None


def shown(source: str) -> str:
  """Returns an address without what may be secret, or another text as it is.

  A login may contain any character, because users do not always escape it. So
  all before the last `@` is left out if it may be a login.
  """
  begin = _ADDRESS.match(source)
  if not begin:
    return source
  rest = source[begin.end() :]
  host = rest.partition('/')[0]
  if '@' in host or ':' in host:
    rest = rest.rpartition('@')[2]
  return begin[0] + _VALUE.sub(r'\1***', rest)
