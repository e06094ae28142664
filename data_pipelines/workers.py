"""Worker processes that all call the same function.

Workers are spawned and import only the module of the function, so no worker
loads JAX or the program's other imports. Workers ignore the signals SIGINT and
SIGTERM, but end when the program ends, even if the program is killed. Only
pipes connect the workers with the program, so a killed program leaves nothing
behind.
"""

import contextlib
import functools
import multiprocessing
import queue
import signal
import sys
import traceback
import types
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from typing import Any


@contextlib.contextmanager
def start(
  count: int, make: Callable[[], Callable]
) -> Iterator[Callable[..., Future]]:
  """Starts worker processes, which call a function on request.

  Args:
    count: Number of workers.
    make: Function without arguments that returns the function to call. Each
      worker calls `make` once. `make` must be picklable, such as a
      `functools.partial` of a module's function, and may hold shared memory.

  Yields:
    Function `submit`. `submit(*arguments)` calls the function in a worker with
    these arguments and returns a future of the result. The future raises the
    error that `make` or the function raised, or RuntimeError if the worker
    died.
  """
  processes, idle = [], queue.SimpleQueue()
  # One thread per worker waits for the worker's answers.
  pool = ThreadPoolExecutor(count)
  try:
    with _isolated():
      for _ in range(count):
        process, connection = _start_one(make)
        processes.append(process)
        idle.put(connection)
    yield functools.partial(pool.submit, _call, idle)
  finally:
    for process in processes:
      process.kill()
    pool.shutdown(cancel_futures=True)
    for process in processes:
      process.join()
      process.close()


def _start_one(make: Callable[[], Callable]):
  """Starts a worker; returns its process and a connection to it."""
  context = multiprocessing.get_context('spawn')
  ours, theirs = context.Pipe()
  process = context.Process(target=_serve, args=(theirs, make), daemon=True)
  process.start()
  # Close the program's copy of the worker's end, so that the pipe breaks when
  # the worker dies.
  theirs.close()
  return process, ours


@contextlib.contextmanager
def _isolated() -> Iterator[None]:
  """Isolates the processes that are started within this context.

  The processes do not import the program's main module, which may import JAX
  or, without `if __name__ == '__main__'`, start the program's work again. The
  processes ignore SIGINT and SIGTERM. The program itself handles these signals,
  and may need results of the processes until it ends.
  """
  # If the resource tracker were started later, it would unblock the signals.
  resource_tracker.ensure_running()
  ending = {signal.SIGINT, signal.SIGTERM}
  mask = signal.pthread_sigmask(signal.SIG_BLOCK, ending)
  main = sys.modules['__main__']
  sys.modules['__main__'] = types.ModuleType('__main__')
  try:
    yield
  finally:
    sys.modules['__main__'] = main
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _serve(connection: Connection, make: Callable[[], Callable]) -> None:
  """Answers each task with (result, error) until the connection is closed."""
  function = None
  with contextlib.suppress(EOFError, OSError):
    while True:
      task = connection.recv()
      try:
        function = function or make()
        answer = function(*task), None
      except Exception as error:
        # Keep the traceback as a note, since pickling an error loses it.
        error.add_note(traceback.format_exc())
        answer = None, error
      connection.send(answer)


def _call(idle: queue.SimpleQueue, *task: Any) -> Any:
  """Sends a task to an idle worker and waits for the answer."""
  connection = idle.get()
  try:
    connection.send(task)
    result, error = connection.recv()
  except (EOFError, OSError):
    raise RuntimeError(
      'a worker process died, perhaps because memory ran out; resume with '
      'fewer workers (data.workers in the config), or with 0 to use threads'
    ) from None
  finally:
    idle.put(connection)
  if error:
    raise error
  return result
