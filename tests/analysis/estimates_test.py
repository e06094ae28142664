"""Estimates equal plain loops, and resample sequences instead of pairs."""

import numpy as np
import pytest

from acm_jax.analysis.estimates import Sampling
from acm_jax.evaluation import tables


def test_an_estimate_equals_a_plain_loop_over_resampled_sequences():
  rng = np.random.default_rng(0)
  owner = rng.integers(0, 6, 40)
  values = rng.standard_normal(40) + owner
  values[rng.random(40) < 0.2] = np.nan
  estimate = Sampling(owner).estimate(values)
  known = values[~np.isnan(values)]
  means = []
  for counts in tables.draws(6, count=2_000):
    drawn = np.concatenate(
      [np.tile(values[owner == i], count) for i, count in enumerate(counts)]
    )
    means.append(drawn[~np.isnan(drawn)].mean())
  assert estimate.mean == pytest.approx(known.mean())
  assert estimate[1:3] == pytest.approx(np.percentile(means, (2.5, 97.5)))
  assert estimate[3:] == (len(known), 6)


def test_more_pairs_of_the_same_sequences_do_not_narrow_the_interval():
  values = np.arange(8.0)
  once = Sampling(np.arange(8)).estimate(values)
  owner = np.repeat(np.arange(8), 50)
  often = Sampling(owner).estimate(values[owner])
  assert often[:3] == pytest.approx(once[:3])
  assert often.pairs == 50 * once.pairs


def test_a_single_sequence_has_no_interval():
  estimate = Sampling(np.array([4, 4, 4])).estimate(np.array([1.0, 2, 3]))
  assert estimate.mean == 2
  assert np.isnan(estimate[1:3]).all()


def test_a_measure_that_is_never_defined_has_no_mean():
  estimate = Sampling(np.array([0, 1])).estimate(np.full(2, np.nan))
  assert np.isnan(estimate[:3]).all()
  assert estimate[3:] == (0, 0)
