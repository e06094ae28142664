"""Worker processes are isolated from the program and end with it."""

import functools
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
# Maximum time to wait, in seconds. Only a failing test waits that long.
PATIENCE = 60.0
# The program's main module has no guard: workers that imported it would start
# workers of their own.
PROGRAM = """
import multiprocessing, signal, sys
import jax
from data_pipelines.pipeline import train_batches

for number in (signal.SIGINT, signal.SIGTERM):
  signal.signal(number, lambda *_: None)
batches = train_batches(
  [{'path': sys.argv[1], 'gap': 5}],
  batch_size=8,
  template_side=31,
  search_side=63,
  seed=0,
  source='memory',
  workers=2,
)
next(batches)
for _ in sys.stdin:
  # More batches than are read ahead.
  for _ in range(4):
    next(batches)
  print(*(child.pid for child in multiprocessing.active_children()), flush=True)
"""


@pytest.fixture
def program(clip_folder, tmp_path):
  """Program that prints its workers' process ids for every line of input."""
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
  """Returns the process ids of the program's workers."""
  program.stdin.write('\n')
  program.stdin.flush()
  return [int(number) for number in program.stdout.readline().split()]


def libraries(process_id):
  """Returns the memory map of a process, which names its libraries."""
  return Path(f'/proc/{process_id}/maps').read_text(encoding='utf-8')


def test_workers_load_neither_jax_nor_tensorflow(program):
  ids = ask(program)
  assert len(ids) == 2
  assert 'jaxlib' in libraries(program.pid)
  for worker in ids:
    assert 'cv2' in libraries(worker)
    assert 'jaxlib' not in libraries(worker)
    assert 'tensorflow' not in libraries(worker)


def test_workers_survive_signals_to_the_program_and_end_with_it(program):
  ids = ask(program)
  for number in (signal.SIGINT, signal.SIGTERM):
    os.killpg(program.pid, number)
  assert sorted(ask(program)) == sorted(ids)
  descriptors = [os.pidfd_open(worker) for worker in ids]
  program.kill()
  for descriptor in descriptors:
    # Becomes readable once the process has ended.
    assert select.select([descriptor], [], [], PATIENCE)[0]
    os.close(descriptor)


def make_repeat(text):
  """Returns a function for a worker to call."""
  if not text:
    raise OSError('nothing to repeat')
  return lambda times: text * (6 // times)


def test_a_worker_calls_the_function_that_it_made():
  with workers.start(1, functools.partial(make_repeat, 'ab')) as submit:
    assert [submit(n).result() for n in (2, 3)] == ['ababab', 'abab']
    with pytest.raises(ZeroDivisionError, match='division') as caught:
      submit(0).result()
    # The note is the worker's traceback, which shows the line.
    assert 'text * (6 // times)' in caught.value.__notes__[0]
    assert submit(6).result() == 'ab'
  with workers.start(1, functools.partial(make_repeat, '')) as submit:
    for _ in range(2):
      with pytest.raises(OSError, match='nothing to repeat'):
        submit(1).result()


def make_sleep():
  return time.sleep


def test_workers_can_be_ended_in_the_middle_of_a_task():
  with workers.start(1, make_sleep) as submit:
    submit(0).result()
    begun = time.monotonic()
    # One task is running, the other is waiting.
    tasks = [submit(10 * PATIENCE) for _ in range(2)]
  assert time.monotonic() - begun < PATIENCE
  assert not multiprocessing.active_children()
  assert all(task.done() for task in tasks)
