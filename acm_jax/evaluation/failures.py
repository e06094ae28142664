"""Sequences on which a baseline failed, listed next to its results.

From a failure to the next start, results repeat the baseline's previous box and
report the target as lost. The results are complete and are scored like others.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from acm_jax.host import text_files
from acm_jax.host.staging import replacing

_FILE = 'failures.json'


def read(folder: Path) -> dict[str, str]:
  """Returns a dictionary from sequences to the reasons of their failures.

  Args:
    folder: Folder of one tracker's results. Without a list of failures in it,
      the dictionary is empty.

  Raises:
    ValueError: The list is malformed.
  """
  path = folder / _FILE
  if not path.is_file():
    return {}
  try:
    found = json.loads(text_files.read(path))
  except json.JSONDecodeError:
    found = None
  if not isinstance(found, dict) or not all(
    isinstance(reason, str) for reason in found.values()
  ):
    raise ValueError(
      f'{path}: not a JSON object from sequences to reasons; remove {folder} '
      'and evaluate again'
    )
  return found


def record(folder: Path, sequence: str, reasons: Sequence[str]) -> None:
  """Replaces what is recorded of a sequence.

  Args:
    folder: Folder of one tracker's results.
    sequence: Name of the sequence.
    reasons: Reason of each failure; empty if the tracker did not fail.
  """
  before = read(folder)
  now = {name: text for name, text in before.items() if name != sequence}
  if reasons:
    first, *others = reasons
    more = f' (and {len(others)} more failures)' if others else ''
    now[sequence] = first + more
  if now != before:
    with replacing(folder / _FILE) as path:
      text_files.write(path, json.dumps(now, indent=1) + '\n')


def remarks(tracker: str, failed: Mapping[str, str]) -> Iterator[str]:
  """Yields a line for each sequence on which a tracker failed."""
  for sequence, reason in failed.items():
    yield (
      f'{tracker}: failed on {sequence}, so that the previous box is repeated: '
      f'{reason}'
    )
