"""Table with a header, such as boxes.csv of `acm-jax track`.

The columns frame, target, x, y, w and h are read in any order. Rows whose
column `lost` is 1 are left out, because the tracker does not know their boxes.
The columns category, key (whether a person drew the box) and occluded are read
if there are any, and other columns are not.
"""

import csv
from collections.abc import Iterator

from acm_jax.datasets.exports.target import UNKNOWN, Entry
from acm_jax.datasets.trees import Tree
from acm_jax.datasets.videos import Video

_COLUMNS = ('frame', 'target', 'x', 'y', 'w', 'h')


def read(tree: Tree, name: str, video: Video) -> Iterator[Entry]:
  """Yields the boxes of a table."""
  del video
  where, lines = tree.where(name), tree.text(name).splitlines()
  separator = next((s for s in ',\t' if lines and s in lines[0]), ' ')
  rows = csv.DictReader(lines, delimiter=separator, skipinitialspace=True)
  header = [column.strip() for column in rows.fieldnames or ()]
  if missing := [column for column in _COLUMNS if column not in header]:
    raise ValueError(
      f'{where} row 1: has no column {", ".join(missing)}; begin the file with '
      f'the names of its columns, such as {",".join(_COLUMNS)}'
    )
  rows.fieldnames = header
  for row in rows:
    place = f'{where} row {rows.line_num}'
    if None in row or None in row.values():
      raise ValueError(
        f'{place}: give one value for each of the {len(header)} columns'
      )
    row = {column: value.strip() for column, value in row.items()}
    numbers = _numbers(row, place)
    if not numbers['frame'].is_integer():
      raise ValueError(f'{place}: frame {row["frame"]} is not a whole number')
    if not numbers['lost']:
      yield Entry(
        f'target {row["target"]}',
        int(numbers['frame']),
        (numbers['x'], numbers['y'], numbers['w'], numbers['h']),
        place,
        category=row.get('category') or UNKNOWN,
        occluded=numbers['occluded'] == 1,
        given=numbers['key'] == 1,
      )


def _numbers(row: dict[str, str], place: str) -> dict[str, float]:
  """Returns the numbers of a row, and the defaults of absent columns."""
  found = {'lost': 0.0, 'key': 1.0, 'occluded': 0.0}
  for column in ('frame', 'x', 'y', 'w', 'h', *found):
    if column in row:
      try:
        found[column] = float(row[column])
      except ValueError:
        raise ValueError(
          f'{place}: {column} is {row[column]!r}, which is not a number; '
          'correct it'
        ) from None
  return found
