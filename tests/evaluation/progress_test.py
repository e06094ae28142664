"""Progress passes items on and says how many."""

import itertools

import pytest
from rich.console import Console

from acm_jax.evaluation import progress as module
from acm_jax.evaluation.progress import progress


@pytest.fixture
def ticking(monkeypatch):
  """A clock that goes six seconds further whenever it is read."""
  monkeypatch.setattr(module.time, 'monotonic', itertools.count(0, 6).__next__)


def test_lines_tell_count_rate_and_time_left(ticking, capsys):
  assert list(progress('abcd', 'work', 4, 'letters')) == list('abcd')
  printed = capsys.readouterr()
  assert printed.out == ''
  assert printed.err.splitlines() == [
    'work: 2 of 4 letters, 0.2 letters/s, 12 s left',
    'work: 4 of 4 letters, 0.2 letters/s, 0 s left',
    'work: 4 letters in 30.0 s',
  ]


def test_an_unknown_total_is_left_out(ticking, capsys):
  list(progress(iter('ab'), 'work', None, 'letters'))
  lines = capsys.readouterr().err.splitlines()
  assert lines[0] == 'work: 2 letters, 0.2 letters/s'


@pytest.mark.parametrize('total', [3, None], ids=['total', 'unknown'])
def test_a_bar_passes_items_on(total, capsys):
  console = Console(stderr=True, force_terminal=True)
  assert list(module._bar('abc', 'work', total, 'letters', console)) == [*'abc']


def test_an_error_goes_through(capsys):
  def failing():
    yield 1
    raise ValueError('bad')

  with pytest.raises(ValueError, match='bad'):
    list(progress(failing(), 'work', 2, 'items'))
