"""Table with a header, such as boxes.csv of `acm-jax track`.

The columns frame, target, x, y, w and h are read in any order. Rows whose
column `lost` is 1 are left out, because the tracker does not know their boxes.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from acm_jax.datasets import sequences
from acm_jax.datasets.exports.target import Entry
from acm_jax.datasets.trees import Tree
from acm_jax.host import text_files

_COLUMNS = ('frame', 'target', 'x', 'y', 'w', 'h')


def read(tree: Tree, name: str, files: Sequence[Path]) -> Iterator[Entry]:
  """Yields the boxes of a table."""
  del files
  where = tree.where(name)
  first, _, rest = tree.text(name).partition('\n')
  header = text_files.fields(first)
  if missing := [column for column in _COLUMNS if column not in header]:
    raise ValueError(
      f'{where} row 1: has no column {", ".join(missing)}; begin the file with '
      f'the names of its columns, such as {",".join(_COLUMNS)}'
    )
  rows = sequences.parse_rows(rest, f'{where} below its header', (len(header),))
  for number, values in enumerate(rows, 2):
    row = dict(zip(header, values, strict=True))
    place = f'{where} row {number}'
    if not row['frame'].is_integer():
      raise ValueError(f'{place}: frame {row["frame"]:g} is not a whole number')
    if not row.get('lost'):
      box = row['x'], row['y'], row['w'], row['h']
      yield Entry(f'target {row["target"]:g}', int(row['frame']), box, place)
