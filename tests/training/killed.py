"""Runs a program that trains, and kills it some time after its first step.

    python -m tests.training.killed SECONDS MODULE ARGUMENTS

The process kills itself with SIGKILL, as `kill -9` does, in the middle of
whatever it is doing then.
"""

import os
import runpy
import signal
import sys
import threading

from acm_jax.training import run


def kill_after(seconds):
  """Arranges that this process is killed after its first step."""
  fit = run.fit

  def first_step(done):
    if not started:
      kill = (os.getpid(), signal.SIGKILL)
      started.append(threading.Timer(seconds, os.kill, kill))
      started[0].daemon = True
      started[0].start()
    return False

  started = []
  run.fit = lambda *args: fit(*args[:-1], (first_step, *args[-1]))


if __name__ == '__main__':
  seconds, module, *sys.argv[1:] = sys.argv[1:]
  kill_after(float(seconds))
  runpy.run_module(module, run_name='__main__', alter_sys=True)
