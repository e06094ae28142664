"""Coordination of several processes that train together."""

import os
from collections.abc import Mapping

import jax
from jax.experimental import multihost_utils

# Environment variables in which launchers store the number of processes that
# they started.
_COUNTS = ('SLURM_STEP_NUM_TASKS', 'OMPI_COMM_WORLD_SIZE')
# Environment variable with the comma-separated hosts of a TPU slice.
_HOSTS = 'TPU_WORKER_HOSTNAMES'
# Environment variable that is set where there is no TPU pod: by JAX on machines
# without a TPU, and by hosted notebooks on machines with a local TPU.
_NO_POD = 'TPU_SKIP_MDS_QUERY'


def join() -> None:
  """Connects the processes of a run, if there are several.

  Call `join` before JAX is used in any other way. On TPU pods, under SLURM and
  under Open MPI, JAX finds the processes without any settings. For a single
  process, `join` does not initialize `jax.distributed`, which would restrict
  the process to one GPU.
  """
  several = (
    any(int(os.environ.get(name, 1)) > 1 for name in _COUNTS)
    or ',' in os.environ.get(_HOSTS, '')
    or _NO_POD not in os.environ
  )
  if several:
    jax.distributed.initialize()


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


def wait(name: str) -> None:
  """Waits until all processes have called this function with `name`."""
  multihost_utils.sync_global_devices(name)
