"""Tables of scores in several formats, and confidence intervals."""

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

# Number of resamplings of the sequences for a confidence interval.
_DRAWS = 10_000


class Figure(NamedTuple):
  """Heading of a score in tables, and whether higher or lower is better.

  Attributes:
    heading: Heading of the column.
    better: Direction of better values, 'higher' or 'lower'; empty if the
      direction depends on the scoring protocol.
  """

  heading: str
  better: str = 'higher'


def ranked(trackers: Mapping[str, Mapping[str, float]], by: str) -> list[str]:
  """Returns the trackers' names, best first, undefined figures last.

  Args:
    trackers: Figures by tracker.
    by: Name of the figure that ranks the trackers.
  """

  def figure(name):
    return np.nan_to_num(trackers[name][by], nan=-np.inf)

  return sorted(trackers, key=figure, reverse=True)


def rows(
  trackers: Mapping[str, Mapping[str, float]],
  name: str,
  figures: Mapping[str, Figure],
  by: str,
) -> list[list[str]]:
  """Returns a row of headings, then a row per tracker, best first.

  Args:
    trackers: Values of each tracker's figures; undefined values become '-'.
    name: Heading of the first column.
    figures: Headings of the columns after the first. Keys are the names of the
      figures in these columns.
    by: Name of the figure that ranks the trackers.
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
  """Formats a table for Markdown."""
  head, *body = [[cell.replace('|', r'\|') for cell in row] for row in table]
  rule = ['---', *['---:'] * (len(head) - 1)]
  return ''.join(f'| {" | ".join(row)} |\n' for row in (head, rule, *body))


def latex(table: Sequence[Sequence[str]], figures: Iterable[Figure]) -> str:
  """Formats a table for LaTeX with booktabs; the best figures are bold.

  Args:
    table: Table from `rows`.
    figures: Headings of the columns after the first, which also say whether
      higher or lower is better.
  """
  head, *body = table
  _, *columns = zip(*body, strict=True)
  best = [None, *map(_best, figures, columns)]
  lines = [rf'\begin{{tabular}}{{l{"r" * (len(head) - 1)}}}', r'\toprule']
  lines += [_line(head), r'\midrule']
  for row in body:
    cells = [
      rf'\textbf{{{cell}}}' if cell == best_cell else _escaped(cell)
      for cell, best_cell in zip(row, best, strict=True)
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
  """Formats a table for spreadsheets; undefined figures are empty cells."""
  text = io.StringIO()
  writer = csv.writer(text, lineterminator='\n')
  writer.writerows(
    ['' if cell == '-' else cell for cell in row] for row in table
  )
  return text.getvalue()


def show(
  table: Sequence[Sequence[str]], heading: str, remarks: Iterable[str] = ()
) -> None:
  """Prints a heading, a table and remarks; each remark is one line."""
  console = Console()
  if not console.is_terminal:
    # Rich would wrap the lines of a log at 80 characters.
    console = Console(width=200)
  shown = Table(
    box=rich.box.SIMPLE_HEAD if console.is_terminal else None,
    pad_edge=False,
  )
  head, *body = table
  first, *others = head
  shown.add_column(first)
  for column in others:
    shown.add_column(column, justify='right')
  for row in body:
    shown.add_row(*map(Text, row))
  console.print(heading, highlight=False)
  console.print(shown)
  for line in remarks:
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def draws(
  sequences: int, seed: int = 0, count: int = _DRAWS
) -> Int[np.ndarray, '{count} {sequences}']:
  """Resamples the sequences with replacement, many times.

  Each resampling is a draw. The spread of a figure over the draws estimates how
  much the figure would vary if other sequences had been chosen. `interval`
  turns the values of the figure into a confidence interval.

  Args:
    sequences: Number of sequences.
    seed: Random seed.
    count: Number of draws.

  Returns:
    Number of times that each sequence occurs in each draw, [draws, sequences].

  Source: Efron, 1979 (the bootstrap).
  """
  rng = np.random.default_rng(seed)
  probabilities = np.full(sequences, 1 / sequences)
  return rng.multinomial(sequences, probabilities, count)


def interval(figures: Float[np.ndarray, 'd']) -> tuple[float, float]:
  """Returns the 95% confidence interval of a figure.

  Args:
    figures: Value of the figure in each draw of `draws`.
  """
  low, high = np.nanpercentile(figures, (2.5, 97.5))
  return float(low), float(high)
