"""Process that times a training step on a CPU; see `acm_jax.timing.worker`.

Its only argument is a list in JSON: the arguments of `steps.training_run`. The
module `steps` starts it.
"""

import functools
import json
import sys
from collections.abc import Callable

from acm_jax.timing import steps
from acm_jax.timing.measure import seconds_of
from acm_jax.timing.worker import serve
from acm_jax.tracking import programs


def _prepare() -> tuple[str, Callable[[int], float]]:
  """Returns what `serve` needs, for the requested step."""
  # As in `acm-jax train`.
  programs.reuse_memory(large=True)
  run = steps.training_run(*json.loads(sys.argv[1]))
  return '', functools.partial(seconds_of, run)


if __name__ == '__main__':
  serve(_prepare)
