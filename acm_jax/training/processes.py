"""Several processes that train together: joined, in step, one that writes."""

import os
from collections.abc import Mapping

import jax
from jax.experimental import multihost_utils

# How many processes the launcher of this one has started.
_COUNTS = ('SLURM_STEP_NUM_TASKS', 'OMPI_COMM_WORLD_SIZE')
# The hosts of a TPU slice, by commas.
_HOSTS = 'TPU_WORKER_HOSTNAMES'
# JAX sets it where there is no TPU, hosted notebooks where there is but one.
_NO_POD = 'TPU_SKIP_MDS_QUERY'


def join() -> None:
  """Joins the processes of one run where there are several.

  Must come before anything else that JAX does. How they find each other is
  JAX's own matter: on TPU pods, under SLURM and under Open MPI nothing needs
  to be said. A process that is alone is left as it is, for JAX would give it
  one of its GPUs only.
  """
  several = (
    any(int(os.environ.get(name, 1)) > 1 for name in _COUNTS)
    or ',' in os.environ.get(_HOSTS, '')
    or _NO_POD not in os.environ
  )
  if several:
    jax.distributed.initialize()


def is_first() -> bool:
  """Whether this process writes what only one may write."""
  return jax.process_index() == 0


def say(text: str) -> None:
  """Prints a line, once for all processes."""
  if is_first():
    print(text, flush=True)


def agree(values: Mapping[str, float]) -> dict[str, float]:
  """Gives the values that the first process has to all of them."""
  if jax.process_count() == 1:
    return dict(values)
  shared = multihost_utils.broadcast_one_to_all(dict(values))
  return {name: float(value) for name, value in shared.items()}


def wait(name: str) -> None:
  """Returns when all processes have come here."""
  multihost_utils.sync_global_devices(name)
