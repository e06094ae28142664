"""Tables of scores, and intervals over sequences."""

import csv
import io

import numpy as np

from acm_jax.evaluation import tables
from acm_jax.evaluation.tables import Figure

TRACKERS = {
  'a_b': {'success_auc': 0.25, 'precision_20': float('nan')},
  'c|d': {'success_auc': 0.5, 'precision_20': 0.125},
}
FIGURES = {
  'success_auc': Figure('success'),
  'precision_20': Figure('P@20'),
}
ROWS = [
  ['tracker', 'success', 'P@20'],
  ['c|d', '0.5000', '0.1250'],
  ['a_b', '0.2500', '-'],
]


def test_rows_are_ranked_and_undefined_figures_are_a_dash():
  assert tables.rows(TRACKERS, 'tracker', FIGURES, 'success_auc') == ROWS


def test_the_figure_that_ranks_may_be_undefined():
  runs = {
    'a': {'accuracy': 0.9, 'eao': 0.1},
    'b': {'accuracy': 0.1, 'eao': 0.2},
    'c': {'accuracy': 0.1, 'eao': float('nan')},
  }
  assert tables.ranked(runs, 'eao') == ['b', 'a', 'c']


def test_markdown_is_a_table():
  assert tables.markdown(ROWS).splitlines() == [
    '| tracker | success | P@20 |',
    '| --- | ---: | ---: |',
    r'| c\|d | 0.5000 | 0.1250 |',
    '| a_b | 0.2500 | - |',
  ]


def test_latex_has_the_best_in_bold():
  text = tables.latex(ROWS, FIGURES.values())
  assert r'\begin{tabular}{lrr}' in text
  assert r'c|d & \textbf{0.5000} & \textbf{0.1250} \\' in text
  assert r'a\_b & 0.2500 & - \\' in text
  figures = Figure('R', better=''), Figure('failures', better='lower')
  failures = [
    ['tracker', 'R', 'failures'],
    ['a', '0.1', '9'],
    ['b', '0.2', '3'],
  ]
  assert r'b & 0.2 & \textbf{3} \\' in tables.latex(failures, figures)


def test_a_spreadsheet_has_empty_cells():
  found = list(csv.reader(io.StringIO(tables.comma_separated(ROWS))))
  assert found == [*ROWS[:2], ['a_b', '0.2500', '']]


def test_intervals_hold_the_mean_and_shrink_with_the_number_of_sequences():
  rng = np.random.default_rng(0)
  widths = []
  for count in (25, 400):
    values = rng.uniform(0, 1, count)
    low, high = tables.interval(tables.draws(count) @ values / count)
    assert low < values.mean() < high
    # Of the mean of uniform draws: 1.96 standard deviations to each side.
    expected = 2 * 1.96 * values.std() / np.sqrt(count)
    np.testing.assert_allclose(high - low, expected, rtol=0.05)
    widths.append(high - low)
  assert widths[1] < widths[0] / 3


def test_draws_have_as_many_sequences_as_there_are():
  assert (tables.draws(7).sum(axis=1) == 7).all()
  np.testing.assert_array_equal(tables.draws(7), tables.draws(7))
