"""Scores as tables, for a page, a paper and a spreadsheet; their intervals."""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import rich.box
from jaxtyping import Float, Int
from rich.console import Console
from rich.table import Table
from rich.text import Text

# Draws of sequences for an interval.
_DRAWS = 10_000


class Figure(NamedTuple):
  """A number that a tracker is given.

  Attributes:
    heading: Heading of its column.
    better: Which values are better, 'higher' or 'lower'; empty where it depends
      on the definition.
  """

  heading: str
  better: str = 'higher'


def ranked(trackers: Mapping[str, Mapping[str, float]], by: str) -> list[str]:
  """Names of trackers, the highest figure `by` first, undefined ones last."""
  return sorted(trackers, key=lambda name: -np.nan_to_num(trackers[name][by]))


def rows(
  trackers: Mapping[str, Mapping[str, float]],
  name: str,
  figures: Mapping[str, Figure],
  by: str,
) -> list[list[str]]:
  """A heading and a row a tracker, the best first; '-' where undefined.

  Args:
    trackers: Values of the figures by tracker.
    name: Heading of the first column.
    figures: Figures of the other columns.
    by: Figure that ranks the trackers.
  """
  return [
    [name, *(figure.heading for figure in figures.values())],
    *(
      [tracker, *(_cell(trackers[tracker][figure]) for figure in figures)]
      for tracker in ranked(trackers, by)
    ),
  ]


def _cell(value: float) -> str:
  return '-' if math.isnan(value) else f'{value:.4f}'


def markdown(table: Sequence[Sequence[str]]) -> str:
  """A table of Markdown."""
  head, *body = [[cell.replace('|', r'\|') for cell in row] for row in table]
  rule = ['---', *['---:'] * (len(head) - 1)]
  return ''.join(f'| {" | ".join(row)} |\n' for row in (head, rule, *body))


def latex(table: Sequence[Sequence[str]], figures: Iterable[Figure]) -> str:
  """A table of LaTeX with the rules of booktabs, the best of a column bold.

  Args:
    table: From `rows`.
    figures: Figures of the columns behind the first.
  """
  head, *body = table
  _, *columns = zip(*body, strict=True)
  best = [None, *map(_best, figures, columns)]
  lines = [rf'\begin{{tabular}}{{l{"r" * (len(head) - 1)}}}', r'\toprule']
  lines += [_line(head), r'\midrule']
  for row in body:
    cells = [
      rf'\textbf{{{cell}}}' if cell == best[i] else _escaped(cell)
      for i, cell in enumerate(row)
    ]
    lines.append(' & '.join(cells) + r' \\')
  return '\n'.join([*lines, r'\bottomrule', r'\end{tabular}', ''])


def _best(figure: Figure, column: Sequence[str]) -> str | None:
  known = [cell for cell in column if cell != '-']
  if not known or not figure.better:
    return None
  return (max if figure.better == 'higher' else min)(known, key=float)


def _line(cells: Sequence[str]) -> str:
  return ' & '.join(map(_escaped, cells)) + r' \\'


def _escaped(text: str) -> str:
  for character in r'_%#&$':
    text = text.replace(character, f'\\{character}')
  return text


def comma_separated(table: Sequence[Sequence[str]]) -> str:
  """The same for a spreadsheet; an undefined figure is empty."""
  text = io.StringIO()
  writer = csv.writer(text, lineterminator='\n')
  writer.writerows(
    ['' if cell == '-' else cell for cell in row] for row in table
  )
  return text.getvalue()


def show(
  table: Sequence[Sequence[str]], heading: str, remarks: Iterable[str] = ()
) -> None:
  """Prints a table, a line above it and some below."""
  console = Console()
  if not console.is_terminal:
    # A log has no width: nothing is to be cut or wrapped.
    console = Console(width=200)
  shown = Table(
    box=rich.box.SIMPLE_HEAD if console.is_terminal else None,
    pad_edge=False,
  )
  head, *body = table
  shown.add_column(head[0])
  for column in head[1:]:
    shown.add_column(column, justify='right')
  for row in body:
    shown.add_row(*map(Text, row))
  console.print(heading, highlight=False)
  console.print(shown)
  for line in remarks:
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def draws(sequences: int, seed: int = 0) -> Int[np.ndarray, 'd {sequences}']:
  """How often each sequence is drawn, when as many are drawn with repetition.

  Of figures of these draws `interval` says how far one would lie apart with
  other sequences.

  Source: Efron, 1979 (the bootstrap).
  """
  rng = np.random.default_rng(seed)
  share = np.full(sequences, 1 / sequences)
  return rng.multinomial(sequences, share, _DRAWS)


def interval(figures: Float[np.ndarray, 'd']) -> tuple[float, float]:
  """The 95% interval of a figure of many draws."""
  low, high = np.nanpercentile(figures, (2.5, 97.5))
  return float(low), float(high)
