"""Memory that programs have freed stays with the process."""

import os
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
  programs.reuse_memory(large=sys.argv[3] == 'True')


@jax.jit
def step(x, w):
  # The inner product is a temporary array.
  return (x @ w) @ w.T


def new_pages():
  faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
  return faults * resource.getpagesize() / 1e6


x, w = jnp.ones((int(sys.argv[2]) * 250, 8)), jnp.ones((8, 1000))
calls = []
for _ in range(31):
  before = new_pages()
  step(x, w).block_until_ready()
  calls.append(new_pages() - before)
print(statistics.median(calls))
"""


# In MB; the C library keeps arrays of less than 32 MB by itself.
@pytest.mark.parametrize(('size', 'large'), [(48, False), (80, True)])
@pytest.mark.skipif(sys.platform != 'linux', reason='only for Linux')
def test_a_repeated_call_of_a_program_gets_no_new_pages(size, large):
  def new_pages(mode):
    done = subprocess.run(
      [sys.executable, '-c', CODE, mode, str(size), str(large)],
      # Without the eight devices of the tests.
      env=os.environ | {'JAX_PLATFORMS': 'cpu', 'XLA_FLAGS': ''},
      capture_output=True,
      text=True,
      check=True,
    )
    return float(done.stdout)

  assert new_pages('reuse') < 0.1 * size
  assert new_pages('default') > 0.75 * size
