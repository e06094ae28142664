"""Traces steps of a run for JAX's profiler."""

import contextlib
from pathlib import Path

import jax

from acm_jax.training import processes
from acm_jax.training.fit import Done

FOLDER = 'profile'
# Number of steps before the trace, which may include compilation.
_BEFORE = 2


class Trace(contextlib.AbstractContextManager):
  """Hook that writes a trace of some steps to WORKDIR/profile.

  The trace begins after the first two steps of the process, so that it shows no
  compilation, unless another phase begins. If training ends earlier, the trace
  ends with it.
  """

  def __init__(self, workdir: Path, steps: int):
    """Prepares the trace.

    Args:
      workdir: Folder of the run.
      steps: Number of steps to trace.
    """
    self._folder, self._steps = workdir / FOLDER, steps
    # Number of steps that the process has taken; the trace begins once.
    self._taken, self._active = 0, False

  def __exit__(self, *_) -> None:
    if self._active:
      self._end(self._taken - _BEFORE)
    elif self._taken < _BEFORE:
      processes.say(
        f'nothing was traced: a trace begins after {_BEFORE} steps, but only '
        f'{self._taken} were left'
      )

  def __call__(self, done: Done) -> bool:
    """Begins or ends the trace if it is time. Never stops training."""
    self._taken += 1
    if self._taken == _BEFORE:
      jax.block_until_ready(done.state)
      options = jax.profiler.ProfileOptions()
      # Calls of Python functions would hide the steps, and slow them down.
      options.python_tracer_level = 0
      jax.profiler.start_trace(self._folder, profiler_options=options)
      self._active = True
    elif self._taken == _BEFORE + self._steps:
      jax.block_until_ready(done.state)
      self._end(self._steps)
    return False

  def _end(self, steps: int) -> None:
    jax.profiler.stop_trace()
    self._active = False
    processes.say(
      f'{steps} steps traced in {self._folder}: open the newest '
      '*.trace.json.gz at https://ui.perfetto.dev, or the folder with xprof '
      f'(pip install xprof; xprof --logdir {self._folder})'
    )
