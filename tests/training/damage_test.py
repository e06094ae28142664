"""Errors tell damage from what else prevents reading a checkpoint."""

import json

import jax
import jax.numpy as jnp
import pytest

from acm_jax.training import damage


def wrapped(error):
  """Returns an error that is wrapped twice, as Orbax does."""
  outer, middle = KeyError('no handler'), Exception('an array')
  outer.__cause__, middle.__cause__ = middle, error
  return outer


@pytest.mark.parametrize(
  'error',
  [
    ValueError('DATA_LOSS: Error reading "params": Digest mismatch'),
    ValueError('OUT_OF_RANGE: Requested byte range [0, 40) is not valid'),
    ValueError('the shapes differ'),
    FileNotFoundError('no _METADATA'),
    json.JSONDecodeError('Unterminated string', '{"a', 1),
    UnicodeDecodeError('utf-8', b'\xff', 0, 1, 'invalid start byte'),
    KeyError('key_type'),
  ],
  ids=repr,
)
def test_what_is_missing_or_cannot_be_decoded_is_damaged(error, tmp_path):
  assert damage.obstacle(wrapped(error), tmp_path) is None


@pytest.mark.parametrize(
  'error',
  [
    ValueError('PERMISSION_DENIED: Failed to open: "a": Permission denied'),
    ValueError("UNKNOWN: Failed to read: Stale file handle [os_error_code='1"),
    ValueError('RESOURCE_EXHAUSTED: Too many open files'),
    OSError(5, 'Input/output error'),
    MemoryError(),
    RuntimeError("can't start new thread"),
    KeyboardInterrupt(),
  ],
  ids=lambda error: type(error).__name__,
)
def test_other_errors_are_the_obstacle_themselves(error, tmp_path):
  assert damage.obstacle(wrapped(error), tmp_path) is error


def test_too_little_memory_of_a_device_is_the_obstacle(tmp_path):
  with pytest.raises(jax.errors.JaxRuntimeError) as caught:
    # No machine has so much memory.
    jnp.zeros(2**50)
  found = damage.obstacle(wrapped(caught.value), tmp_path)
  assert damage.reason(found).startswith('RESOURCE_EXHAUSTED')


# The first file cannot be opened, and the first byte of the second not be read.
@pytest.mark.parametrize('other', ['{file}', '/proc/self/mem'])
def test_a_file_that_cannot_be_read_is_the_obstacle(tmp_path, other):
  file = tmp_path / 'a' / 'b'
  file.parent.mkdir()
  file.symlink_to(other.format(file=file))
  found = damage.obstacle(ValueError('empty'), tmp_path)
  assert isinstance(found, OSError)
  assert damage.reason(found).endswith(f": '{file}'")


@pytest.mark.parametrize(
  ('error', 'text'),
  [
    (KeyError('no handler\nfor a'), 'no handler'),
    (ValueError('these differ:\na'), 'these differ'),
    (AssertionError(), 'AssertionError'),
  ],
)
def test_the_reason_is_the_first_line_of_a_message(error, text):
  assert damage.reason(error) == text
