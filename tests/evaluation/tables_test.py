"""Tables of scores, and confidence intervals over sequences."""

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


def test_a_tracker_with_an_undefined_ranking_figure_comes_last():
  figures = {
    'a': {'accuracy': 0.1, 'eao': float('nan')},
    'b': {'accuracy': 0.9, 'eao': 0.0},
    'c': {'accuracy': 0.1, 'eao': 0.2},
  }
  assert tables.ranked(figures, 'eao') == ['c', 'b', 'a']


def test_markdown_tables_escape_bars():
  assert tables.markdown(ROWS).splitlines() == [
    '| tracker | success | P@20 |',
    '| --- | ---: | ---: |',
    r'| c\|d | 0.5000 | 0.1250 |',
    '| a_b | 0.2500 | - |',
  ]


def test_latex_tables_have_the_best_figures_in_bold():
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


def test_undefined_figures_are_empty_cells_in_spreadsheets():
  written = list(csv.reader(io.StringIO(tables.comma_separated(ROWS))))
  assert written == [*ROWS[:2], ['a_b', '0.2500', '']]


def test_intervals_contain_the_mean_and_shrink_with_more_sequences():
  rng = np.random.default_rng(0)
  widths = {}
  for count in (25, 400):
    values = rng.uniform(0, 1, count)
    low, high = tables.interval(tables.draws(count) @ values / count)
    assert low < values.mean() < high
    # The means of draws are nearly normal, so 95% of them are within 1.96
    # standard deviations.
    expected = 2 * 1.96 * values.std() / np.sqrt(count)
    np.testing.assert_allclose(high - low, expected, rtol=0.05)
    widths[count] = high - low
  assert widths[400] < widths[25] / 3


def test_draws_keep_the_number_of_sequences_and_are_reproducible():
  assert (tables.draws(7).sum(axis=1) == 7).all()
  np.testing.assert_array_equal(tables.draws(7), tables.draws(7))
