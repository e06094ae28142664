"""Traces of a run: which steps they show, and that training goes on."""

import gzip
import json

import jax
import pytest

from tests.training import fakes


def traced_steps(workdir):
  """Returns the numbers of the steps that the only trace of a run shows."""
  (path,) = workdir.glob('profile/**/*.trace.json.gz')
  events = json.loads(gzip.decompress(path.read_bytes()))['traceEvents']
  return [
    int(event['args']['step_num'])
    for event in events
    if event.get('name') == 'step'
  ]


def test_training_goes_on_after_a_trace_of_the_steps(tmp_path, capsys):
  fakes.train(fakes.PLAN, tmp_path, profile=2)
  printed = capsys.readouterr().out
  assert f'2 steps traced in {tmp_path}/profile: open' in printed
  assert traced_steps(tmp_path) == [3, 4]
  assert (tmp_path / 'checkpoints' / '8').exists()


def test_a_trace_ends_with_the_training(tmp_path, capsys):
  with pytest.raises(KeyboardInterrupt):
    fakes.train(fakes.PLAN, tmp_path, batches=fakes.Batches(5), profile=100)
  assert '3 steps traced in ' in capsys.readouterr().out
  assert traced_steps(tmp_path) == [3, 4, 5]
  # Another trace can only begin if the first one has ended.
  with jax.profiler.trace(str(tmp_path / 'other')):
    pass


def test_a_run_with_too_few_steps_says_that_nothing_was_traced(
  tmp_path, capsys
):
  fakes.train(fakes.PLAN, tmp_path)
  fakes.train(fakes.PLAN, tmp_path, profile=1)
  assert 'nothing was traced: a trace begins' in capsys.readouterr().out
  assert not (tmp_path / 'profile').exists()
