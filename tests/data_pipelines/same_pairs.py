"""Comparison of pairs from two sources of the same clip set."""

import numpy as np

IMAGES = ('template', 'search')


def assert_same_pairs(batches, others):
  """Asserts that batches are equal, except for how images are decoded."""
  for a, b in zip(batches, others, strict=True):
    for name in a._fields:
      x, y = getattr(a, name), getattr(b, name)
      if name in IMAGES:
        # The decoders round differently, mostly in the subsampled colours.
        assert abs(x.astype(float) - y).mean() < 3
      else:
        np.testing.assert_array_equal(x, y, err_msg=name)
