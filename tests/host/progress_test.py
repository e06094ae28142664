"""Progress on a terminal and in plain lines."""

import io
import itertools

import pytest
from rich.console import Console

from acm_jax.host import progress as module
from acm_jax.host.progress import Progress, progress


@pytest.fixture
def ticking(monkeypatch):
  """A clock that advances by six seconds whenever it is read."""
  monkeypatch.setattr(module.time, 'monotonic', itertools.count(0, 6).__next__)


@pytest.mark.usefixtures('ticking')
def test_lines_have_count_rate_and_time_left(capsys):
  assert list(progress('abcd', 'work', 4, 'letters')) == list('abcd')
  printed = capsys.readouterr()
  assert printed.err == ''
  assert printed.out.splitlines() == [
    'work: 2 of 4 letters, 0.11 letters/s, 0:00:18 left',
    'work: 4 of 4 letters, 0.11 letters/s, 0:00:00 left',
    'work: 4 letters in 48.0 s',
  ]


@pytest.mark.usefixtures('ticking')
def test_an_unknown_total_is_left_out(capsys):
  list(progress(iter('ab'), 'work', None, 'letters'))
  lines = capsys.readouterr().out.splitlines()
  assert lines[0] == 'work: 2 letters, 0.11 letters/s'


@pytest.mark.usefixtures('ticking')
def test_items_done_earlier_do_not_affect_the_rate(capsys):
  with Progress('work', 9, 'steps', done=4) as shown:
    shown.update(5, 'loss 2')
    shown.update(6, 'loss [1]')
  assert capsys.readouterr().out.splitlines() == [
    'work: 6 of 9 steps, 0.11 steps/s, 0:00:27 left, loss [1]',
    'work: 2 steps in 30.0 s, loss [1]',
  ]


def test_a_phase_in_which_the_clock_stands_still_does_not_affect_the_rate(
  capsys,
):
  now = 0.0
  with Progress('work', 40, 'frames', clock=lambda: now) as shown:
    # Compilation, during which the clock stands still.
    shown.update(1)
    for done in range(2, 22):
      now += 1
      shown.update(done)
  assert capsys.readouterr().out.splitlines()[:2] == [
    'work: 11 of 40 frames, 1.10 frames/s, 0:00:26 left',
    'work: 21 of 40 frames, 1.00 frames/s, 0:00:19 left',
  ]


def test_no_time_left_is_stated_before_anything_is_done(capsys):
  times = iter([0.0, 20.0, 20.0])
  with Progress('work', 4, 'frames', clock=lambda: next(times)) as shown:
    shown.update(0)
  assert capsys.readouterr().out.splitlines()[0] == (
    'work: 0 of 4 frames, 0.00 frames/s'
  )


@pytest.mark.parametrize('total', [3, None], ids=['total', 'unknown'])
def test_a_terminal_gets_a_bar_and_a_line_at_the_end(total, monkeypatch):
  out = io.StringIO()
  console = Console(file=out, force_terminal=True, width=120)
  monkeypatch.setattr(module, 'Console', lambda: console)
  assert list(progress('abc', 'work', total, 'letters')) == [*'abc']
  assert 'letters/s' in out.getvalue()
  assert 'work: 3 letters in' in out.getvalue().splitlines()[-1]


def test_an_error_is_raised_without_a_final_line(capsys):
  def failing():
    yield 1
    raise ValueError('bad')

  with pytest.raises(ValueError, match='bad'):
    list(progress(failing(), 'work', 2, 'items'))
  assert capsys.readouterr().out == ''
