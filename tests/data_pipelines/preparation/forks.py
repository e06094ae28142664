"""Program that prepares clip sets in forks of itself.

    python -m tests.data_pipelines.preparation.forks VIDEOS OUT

The forks inherit the imports, which take longer than all work. One run is
killed at each of `MOMENTS`; the last run uses two processes. Each run writes
its clip set to OUT/NAME/set.
"""

import multiprocessing
import os
import signal
import sys

import numpy as np

from acm_jax.datasets.sources import folder
from data_pipelines import preparation
from tests.data_pipelines.preparation.jobs import job

MOMENTS = ('before the part', 'in the part')
TWO_PROCESSES = 'two processes'


def kill_at(moment):
  """Arranges that this process is killed while it writes its third shard."""
  save, saved = np.savez, []

  def savez(file, **columns):
    saved.append(file)
    if len(saved) == 3 and moment == 'before the part':
      os.kill(os.getpid(), signal.SIGKILL)
    save(file, **columns)
    if len(saved) == 3:
      os.kill(os.getpid(), signal.SIGKILL)

  np.savez = savez


def prepare(name, videos, out):
  """Prepares the clip set of the run with a name."""
  count = 1
  if name in MOMENTS:
    kill_at(name)
  else:
    count, fork = 2, multiprocessing.get_context('fork')
    multiprocessing.get_context = lambda _: fork
  set_folder = os.path.join(out, name, 'set')
  preparation.prepare(job(videos), set_folder, preparation.processes(count))


def main(videos, out):
  folder.SOURCE = folder.SOURCE._replace(per_shard=1)
  for name in (*MOMENTS, TWO_PROCESSES):
    child = os.fork()
    if child == 0:
      prepare(name, videos, out)
      return
    _, status = os.waitpid(child, 0)
    expected = -signal.SIGKILL if name in MOMENTS else 0
    assert os.waitstatus_to_exitcode(status) == expected, name


if __name__ == '__main__':
  main(*sys.argv[1:])
