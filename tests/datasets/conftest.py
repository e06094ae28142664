"""Fixtures of the tests of data sets."""

import pytest

from tests.datasets import dummy_sets


@pytest.fixture
def write_set(tmp_path):
  """Returns a function that writes a set's dummy files and returns the root."""

  def write(name):
    dummy_sets.WRITERS[name](tmp_path)
    return tmp_path

  return write
