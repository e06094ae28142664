"""Coordination of several processes that train together."""

import contextlib
import re
from collections.abc import Iterator, Mapping

import jax
import numpy as np
from jax.experimental import multihost_utils

# Value of the flag `coordinator` for processes that a launcher knows.
AUTO = 'auto'
# The others end after this time if a process dies without a message.
_HEARTBEAT_SECONDS = 60
# A process that ends with an error waits this long for the others to end, too.
_SHUTDOWN_SECONDS = 10


def join(
  coordinator: str | None, count: int | None = None, index: int | None = None
) -> None:
  """Connects this process with the other processes of a run.

  Call `join` before JAX is used in any other way.

  Args:
    coordinator: Address of the first process, HOST:PORT; or `auto`, if Slurm,
      Open MPI, Kubernetes or a TPU slice tells JAX about the processes. None
      for a run of a single process.
    count: Number of processes, if `coordinator` is an address.
    index: Number of this process, from 0, if `coordinator` is an address.

  Raises:
    RuntimeError: The processes cannot be connected.
    ValueError: An argument is missing, superfluous or out of range.
  """
  by_address = coordinator not in (None, AUTO)
  if by_address and not re.fullmatch(r'.+:\d+', coordinator):
    raise ValueError(
      f'`coordinator`={coordinator!r}: give {AUTO}, or HOST:PORT of the first '
      'process'
    )
  for name, value in (('process_count', count), ('process_index', index)):
    if (value is not None) != by_address:
      raise ValueError(
        f'`{name}`={value}: give `coordinator`=HOST:PORT, `process_count` and '
        '`process_index` together'
      )
  if by_address and not 0 <= index < count:
    raise ValueError(
      f'`process_index`={index}: must be at least 0 and less than '
      f'`process_count`={count}'
    )
  if coordinator is None:
    return
  try:
    jax.distributed.initialize(
      coordinator if by_address else None,
      count,
      index,
      # Otherwise a launcher that is found would restrict the process to one of
      # its devices.
      cluster_detection_method='deactivate' if by_address else None,
      heartbeat_timeout_seconds=_HEARTBEAT_SECONDS,
      shutdown_timeout_seconds=_SHUTDOWN_SECONDS,
    )
  # JAX raises a ValueError if no launcher is found.
  except (RuntimeError, ValueError) as error:
    raise RuntimeError(
      f'`coordinator`={coordinator}: the processes cannot be connected '
      f'({str(error).splitlines()[0]})'
    ) from error


@contextlib.contextmanager
def explaining_failures() -> Iterator[None]:
  """Explains errors that JAX raises in the block if another process died.

  Raises:
    RuntimeError: JAX failed in a run of several processes.
  """
  try:
    yield
  except jax.errors.JaxRuntimeError as error:
    if jax.process_count() == 1:
      raise
    raise RuntimeError(
      f'perhaps another process of this run died ({str(error).splitlines()[0]}'
      '); see its output, and start all processes again: they resume from the '
      'newest checkpoint'
    ) from error


def is_first() -> bool:
  """Returns whether this process writes the files that all processes share."""
  return jax.process_index() == 0


def say(text: str) -> None:
  """Prints a line in the first process only."""
  if is_first():
    print(text, flush=True)


def agree(values: Mapping[str, float]) -> dict[str, float]:
  """Returns, in every process, the values that the first process passed.

  All processes must call this function, with the same keys.
  """
  if jax.process_count() == 1:
    return dict(values)
  shared = multihost_utils.broadcast_one_to_all(dict(values))
  return {name: float(value) for name, value in shared.items()}


def all_agree(value: bool) -> bool:
  """Returns whether `value` is true in every process; all must call this."""
  if jax.process_count() == 1:
    return value
  return bool(np.all(multihost_utils.process_allgather(np.array(value))))


def wait(name: str) -> None:
  """Waits until all processes have called this function with `name`."""
  multihost_utils.sync_global_devices(name)
