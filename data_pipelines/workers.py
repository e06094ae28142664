"""Worker processes that call a function: `start(count, make, *arguments)`.

Workers are spawned and import nothing but the function's module, so that
neither JAX nor what else the program uses is loaded in each of them. They leave
signals to the program, and end with it even if it is killed. Pipes alone join
the two, so that a killed program leaves nothing behind.
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
  count: int, make: Callable[..., Callable], *arguments: Any
) -> Iterator[Callable[..., Future]]:
  """Starts processes that call `make(*arguments)` once, then what it returns.

  Args:
    count: How many.
    make: Makes the function, in each worker; a function of a module.
    *arguments: Of `make`; pickled, except for shared memory.

  Yields:
    `submit(*task)`, which has a worker call the function and returns a future
    of the result. The future raises what `make` or the function raised, and
    RuntimeError if the worker died.
  """
  processes, idle = [], queue.SimpleQueue()
  # A thread for each worker waits for its answers.
  pool = ThreadPoolExecutor(count)
  try:
    with _strangers():
      for _ in range(count):
        process, connection = _start_one(make, arguments)
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


def _start_one(make: Callable[..., Callable], arguments: tuple):
  """Starts a worker; returns it and the connection with it."""
  context = multiprocessing.get_context('spawn')
  ours, theirs = context.Pipe()
  process = context.Process(
    target=_serve, args=(theirs, make, arguments), daemon=True
  )
  process.start()
  # Held by the worker alone, it is closed when the worker dies.
  theirs.close()
  return process, ours


@contextlib.contextmanager
def _strangers() -> Iterator[None]:
  """Makes what is started inside strangers to this program.

  They do not import its main module: that may import JAX, or do its work again
  for want of a guard. They never get the signals that end this program, which
  may want another result first.
  """
  # This would unblock the signals if it came later.
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


def _serve(
  connection: Connection, make: Callable[..., Callable], arguments: tuple
) -> None:
  """Answers (result, error) to each task until the other end is closed."""
  function = None
  with contextlib.suppress(EOFError, OSError):
    while True:
      task = connection.recv()
      try:
        function = function or make(*arguments)
        answer = function(*task), None
      except Exception as error:
        # Where it was raised is lost otherwise.
        error.add_note(traceback.format_exc())
        answer = None, error
      connection.send(answer)


def _call(idle: queue.SimpleQueue, *task: Any) -> Any:
  """Gives a task to an idle worker and waits for the answer."""
  connection = idle.get()
  try:
    connection.send(task)
    result, error = connection.recv()
  except (EOFError, OSError):
    raise RuntimeError(
      'a worker process died, perhaps for want of memory; go on with fewer '
      'workers, or 0 for none'
    ) from None
  finally:
    idle.put(connection)
  if error:
    raise error
  return result
