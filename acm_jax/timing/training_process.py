"""Process that times a training step on a CPU; see `acm_jax.timing.worker`.

Its only argument is a list in JSON: the arguments of `steps.training_run`. The
module `steps` starts it.
"""

import json
import sys
import time
from collections.abc import Callable

import jax

from acm_jax.timing import steps
from acm_jax.timing.worker import serve
from acm_jax.tracking import programs


def _prepare() -> tuple[str, Callable[[int], float]]:
  """Returns what `serve` needs, for the requested step."""
  # As in `acm-jax train`.
  programs.reuse_memory(large=True)
  run = steps.training_run(*json.loads(sys.argv[1]))

  def seconds(calls):
    begun = time.perf_counter()
    for _ in range(calls):
      jax.block_until_ready(run())
    return (time.perf_counter() - begun) / calls

  return '', seconds


if __name__ == '__main__':
  serve(_prepare)
