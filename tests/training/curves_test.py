"""Curves of a run: what is plotted, and runs that have little to plot."""

import copy
import json
import math

import cv2
import pytest

from acm_jax.host import figures
from acm_jax.training import curves
from acm_jax.training.checkpoints import CRITERION
from tests.training import fakes


@pytest.fixture
def drawn(monkeypatch):
  """Keeps the figures that are written; returns the list."""
  kept, save = [], figures.save

  def keep(figure, path):
    kept.append(figure)
    save(figure, path)

  monkeypatch.setattr(figures, 'save', keep)
  return kept


def write(workdir, rows):
  text = ''.join(json.dumps(row) + '\n' for row in rows)
  (workdir / 'metrics.jsonl').write_text(text)
  curves.write(workdir)


def row(step):
  return {'step': step, 'loss': 3 / step, 'loss_cls': 1 / step, 'rate': 0.1}


def test_losses_validation_and_learning_rate_are_plotted(drawn, tmp_path):
  rows = [row(2), {'step': 2, CRITERION: 0.4}, {**row(4), 'loss': None}]
  rows += [{'step': 4, CRITERION: 0.3}]
  write(tmp_path, rows)
  (figure,) = drawn
  losses, overlap, rate = figure.axes
  total, part = losses.lines
  assert total.get_xdata().tolist() == [2, 4]
  assert total.get_ydata()[0] == 1.5
  assert math.isnan(total.get_ydata()[1])
  assert part.get_ydata().tolist() == [0.5, 0.25]
  assert overlap.lines[0].get_ydata().tolist() == [0.4, 0.3]
  (text,) = overlap.get_legend().get_texts()
  assert text.get_text() == 'highest: 0.400 at step 2'
  assert rate.lines[0].get_ydata().tolist() == [0.1, 0.1]
  assert cv2.imread(str(tmp_path / curves.FILE)) is not None


def test_the_losses_of_a_long_run_are_averaged(drawn, tmp_path):
  write(tmp_path, [row(step) for step in range(1, 1001)])
  losses = drawn[0].axes[0].lines
  assert [len(line.get_xdata()) for line in losses] == [1000, 200, 1000, 200]
  assert losses[1].get_ydata()[-1] == pytest.approx(3 / 998, rel=1e-5)


def test_without_metrics_nothing_is_plotted(tmp_path):
  write(tmp_path, [])
  assert not (tmp_path / curves.FILE).exists()


@pytest.mark.parametrize('kill_after', [None, 3], ids=['end', 'signal'])
def test_a_run_plots_all_its_steps_when_it_ends(drawn, tmp_path, kill_after):
  batches = fakes.Batches(kill_after)
  if kill_after is None:
    fakes.train(fakes.PLAN, tmp_path, batches=batches)
  else:
    with pytest.raises(KeyboardInterrupt):
      fakes.train(fakes.PLAN, tmp_path, batches=batches)
  steps = drawn[0].axes[0].lines[0].get_xdata().tolist()
  assert steps == list(range(1, (kill_after or 8) + 1))
  assert (tmp_path / curves.FILE).exists()


def test_a_run_whose_curves_cannot_be_drawn_still_succeeds(
  tmp_path, monkeypatch, caplog
):
  def make(width, height):
    raise RuntimeError('no font')

  monkeypatch.setattr(figures, 'make', make)
  config = copy.deepcopy(fakes.PLAN)
  config['train']['epochs'] = 2
  fakes.train(config, tmp_path)
  assert 'curves.png: not written (RuntimeError: no font)' in caplog.text
  assert (tmp_path / 'checkpoints' / '4').exists()
