"""Tests that scores on real sequences equal those of VOT's toolkit."""

import pytest

from acm_jax.evaluation import benchmarks
from acm_jax.running import evaluate
from acm_jax.running.baselines import BaselineFollower
from acm_jax.running.evaluate import Task
from benchmarks import vot_workspaces

# Scores that vot-toolkit 0.9.0 computes from the result files of `first_box`;
# see docs/evaluation.md.
SCORES = {
  'stb': ('vot2022_stb', (0.291201, 0.277965, 0.026416)),
  'lt': ('vot_lt', (0.247137, 0.288885, 0.266385)),
}


@pytest.fixture(scope='module')
def workspaces(real_data, tmp_path_factory):
  out = tmp_path_factory.mktemp('vot') / 'workspaces'
  vot_workspaces.write(real_data / 'sequences', out, ['first_box'])
  return out


@pytest.mark.parametrize('workspace', SCORES)
def test_scores_of_first_box_equal_those_of_the_toolkit(
  workspaces, tmp_path, workspace
):
  name, expected = SCORES[workspace]
  root = workspaces / workspace / 'sequences'
  benchmark = benchmarks.get(name)
  task = Task(benchmark, root, benchmarks.sequences(benchmark, root))
  folder = evaluate.run(
    'first_box', BaselineFollower('first_box'), task, tmp_path
  )
  total = task.score({'first_box': folder}).trackers['first_box'].total
  # The expected scores are rounded to six decimals.
  assert tuple(total.figures.values()) == pytest.approx(expected, abs=6e-7)
