"""Plots of scores: PNG files, and CSV files with the same values."""

import csv

import numpy as np

from acm_jax.evaluation import plots
from acm_jax.evaluation.experiment import Curve, Points
from acm_jax.evaluation.outcome import Scores
from acm_jax.host import figures

CURVE = Curve('curve', 'rank', 'Title', 'Threshold', np.array([0.0, 1]))
POINTS = Points('points', 'rank', 'Title', 'x', 'rank', 'X', 'Rank')
SCORES = {
  'a': Scores({'rank': 0.2, 'x': 0.5}, {'curve': np.array([0.4, 0])}),
  'b': Scores({'rank': 0.3, 'x': 0.1}, {'curve': np.array([0.6, 0])}),
}


def table(path):
  return list(csv.reader(path.read_text().splitlines()))


def test_values_are_written_even_if_the_plots_cannot_be_drawn(
  tmp_path, monkeypatch, caplog
):
  def figure(width, height):
    raise RuntimeError('no font')

  monkeypatch.setattr(figures, 'make', figure)
  plots.write((CURVE, POINTS), SCORES, 'heading', tmp_path)
  plots.write_attributes({'occlusion': {'a': 0.5}}, 'heading', tmp_path)
  assert table(tmp_path / 'curve.csv') == [
    ['threshold', 'b', 'a'],
    ['0', '0.6', '0.4'],
    ['1', '0', '0'],
  ]
  assert table(tmp_path / 'points.csv') == [
    ['tracker', 'rank', 'x'],
    ['b', '0.3', '0.1'],
    ['a', '0.2', '0.5'],
  ]
  assert table(tmp_path / 'attributes.csv') == [
    ['attribute', 'a'],
    ['occlusion', '0.5'],
  ]
  assert caplog.text.count('not written (RuntimeError: no font)') == 3
  assert not list(tmp_path.glob('*.png'))


def test_an_undefined_success_on_an_attribute_is_left_out(tmp_path, caplog):
  success = {'occlusion': {'a': 0.5, 'b': np.nan}, 'blur': {'a': 0.4, 'b': 0.3}}
  for name, values in (('some', success), ('all', {'blur': {'a': np.nan}})):
    (tmp_path / name).mkdir()
    plots.write_attributes(values, 'heading', tmp_path / name)
    assert (tmp_path / name / 'attributes.png').stat().st_size
  assert not caplog.text


def test_a_search_of_one_hyper_parameter_is_plotted(tmp_path):
  path = tmp_path / 'search.png'
  plots.write_search({'size_lr': [0.1, 0.2]}, [0.6, 0.5], 1, 'heading', path)
  assert path.stat().st_size
