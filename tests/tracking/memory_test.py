"""Memory that programs have freed stays with the process."""

import subprocess
import sys

import pytest

CODE = """
import ctypes
import resource
import statistics
import sys
import jax
import jax.numpy as jnp
from acm_jax.tracking import programs

# With huge pages, a page fault would be 2 MB.
PR_SET_THP_DISABLE = 41
ctypes.CDLL(None).prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0)
if sys.argv[1] == 'reuse':
  programs.reuse_memory(large=True)


@jax.jit
def step(x, w):
  # The inner product is a temporary array of 80 MB.
  return (x @ w) @ w.T


def new_pages():
  faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
  return faults * resource.getpagesize() / 1e6


x, w = jnp.ones((20_000, 8)), jnp.ones((8, 1000))
calls = []
for _ in range(11):
  before = new_pages()
  step(x, w).block_until_ready()
  calls.append(new_pages() - before)
print(statistics.median(calls))
"""


@pytest.mark.skipif(sys.platform != 'linux', reason='only for Linux')
def test_a_repeated_call_of_a_program_gets_no_new_pages():
  def new_pages(mode):
    done = subprocess.run(
      [sys.executable, '-c', CODE, mode],
      capture_output=True,
      text=True,
      check=True,
    )
    return float(done.stdout)

  # MB, of an array of 80 MB.
  assert new_pages('reuse') < 8
  assert new_pages('default') > 60
