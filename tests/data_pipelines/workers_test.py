"""Worker processes: strangers to the program, and gone when it is."""

import multiprocessing
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from data_pipelines import workers

ROOT = Path(__file__).parents[2]
# Seconds; longer than a busy machine takes, and waited for by failures alone.
PATIENCE = 60.0
# It has no guard: a worker that imported it would start workers of its own.
PROGRAM = """
import multiprocessing, signal, sys
import jax
from data_pipelines.pipeline import train_batches

for number in (signal.SIGINT, signal.SIGTERM):
  signal.signal(number, lambda *_: None)
batches = train_batches(
  [{'path': sys.argv[1], 'gap': 5}],
  batch_size=8,
  template_room=31,
  search_room=63,
  seed=0,
  source='memory',
  workers=2,
)
next(batches)
for _ in sys.stdin:
  # More than are read ahead.
  for _ in range(4):
    next(batches)
  print(*(child.pid for child in multiprocessing.active_children()), flush=True)
"""


@pytest.fixture
def program(clip_folder, tmp_path):
  """A program that prints the numbers of its workers at every line it gets."""
  path = tmp_path / 'program.py'
  path.write_text(PROGRAM)
  with subprocess.Popen(
    [sys.executable, path, clip_folder],
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    text=True,
    env={**os.environ, 'PYTHONPATH': str(ROOT)},
    start_new_session=True,
  ) as process:
    yield process
    process.kill()


def ask(program):
  program.stdin.write('\n')
  program.stdin.flush()
  return [int(number) for number in program.stdout.readline().split()]


def libraries(number):
  return Path(f'/proc/{number}/maps').read_text()


def test_workers_load_neither_jax_nor_tensorflow(program):
  found = ask(program)
  assert len(found) == 2
  assert 'jaxlib' in libraries(program.pid)
  for worker in found:
    assert 'cv2' in libraries(worker)
    assert 'jaxlib' not in libraries(worker)
    assert 'tensorflow' not in libraries(worker)


def test_workers_leave_signals_to_the_program_and_end_with_it(program):
  found = ask(program)
  for number in (signal.SIGINT, signal.SIGTERM):
    os.killpg(program.pid, number)
  assert sorted(ask(program)) == sorted(found)
  descriptors = [os.pidfd_open(worker) for worker in found]
  program.kill()
  for descriptor in descriptors:
    # It can be read once the process has ended.
    assert select.select([descriptor], [], [], PATIENCE)[0]
    os.close(descriptor)


def make_repeat(text):
  """Makes a function that a worker calls."""
  if not text:
    raise OSError('nothing to repeat')
  return lambda times: text * (6 // times)


def test_a_worker_calls_what_is_made_of_the_arguments():
  with workers.start(1, make_repeat, 'ab') as submit:
    assert [submit(n).result() for n in (2, 3)] == ['ababab', 'abab']
    with pytest.raises(ZeroDivisionError, match='division') as caught:
      submit(0).result()
    # The worker's traceback names the line.
    assert 'text * (6 // times)' in caught.value.__notes__[0]
    assert submit(6).result() == 'ab'
  with workers.start(1, make_repeat, '') as submit:
    for _ in range(2):
      with pytest.raises(OSError, match='nothing to repeat'):
        submit(1).result()


def make_sleep():
  return time.sleep


def test_workers_end_in_the_middle_of_a_task():
  with workers.start(1, make_sleep) as submit:
    submit(0).result()
    begun = time.monotonic()
    # One is under way, one waits.
    tasks = [submit(10 * PATIENCE) for _ in range(2)]
  assert time.monotonic() - begun < PATIENCE
  assert not multiprocessing.active_children()
  assert all(task.done() for task in tasks)
