"""Learning rates of the epochs, and phases."""

import numpy as np
import pytest

from acm_jax.training import schedule

# Learning rates of the official SiamBAN code for 20 epochs.
OFFICIAL = [
  1.00000000e-03, 1.37972966e-03, 1.90365394e-03, 2.62652780e-03,
  3.62389832e-03, 5.00000000e-03, 3.59842837e-03, 2.58973734e-03,
  1.86379686e-03, 1.34134790e-03, 9.65348864e-04, 6.94747747e-04,
  5.00000000e-04, 3.59842837e-04, 2.58973734e-04, 1.86379686e-04,
  1.34134790e-04, 9.65348864e-05, 6.94747747e-05, 5.00000000e-05,
]  # fmt: skip
RATES = {'first_rate': 1e-3, 'peak_rate': 5e-3, 'last_rate': 5e-5}


def phases(**starts):
  return schedule.make_phases(
    {
      name: {'from_epoch': start, 'rates': (('', 1.0),)}
      for name, start in starts.items()
    }
  )


def test_rates_equal_the_official_ones():
  rates = schedule.rate_per_epoch(20, warmup_epochs=5, **RATES)
  np.testing.assert_allclose(rates, OFFICIAL, rtol=1e-8)


def test_without_warm_up_the_peak_comes_first():
  rates = schedule.rate_per_epoch(3, warmup_epochs=0, **RATES)
  np.testing.assert_allclose(rates, [5e-3, 5e-4, 5e-5])


def test_a_single_epoch_after_the_warm_up_has_the_peak_rate():
  rates = schedule.rate_per_epoch(2, warmup_epochs=1, **RATES)
  np.testing.assert_allclose(rates, [1e-3, 5e-3])


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'warmup_epochs': 3}, 'warmup_epochs=3 must be .* less than epochs=3'),
    ({'warmup_epochs': 1, 'last_rate': 0.0}, 'must be above 0'),
    ({'warmup_epochs': 1, 'peak_rate': np.nan}, 'above 0'),
    ({'warmup_epochs': 1, 'first_rate': 1e4}, 'at most 1000'),
  ],
  ids=[
    'only warm-up',
    'rate of zero',
    'rate that is not a number',
    'rate too high',
  ],
)
def test_impossible_schedules_are_refused(changes, message):
  with pytest.raises(ValueError, match=message):
    schedule.rate_per_epoch(3, **{**RATES, **changes})


def test_a_phase_lasts_until_the_next_begins():
  unsorted = phases(late=3, early=0)
  names = [schedule.phase_at(unsorted, epoch).name for epoch in range(5)]
  assert names == ['early', 'early', 'early', 'late', 'late']


@pytest.mark.parametrize(
  ('rates', 'frozen'),
  [
    ((('', 1.0),), ()),
    ((('backbone/', 0.0), ('', 1.0)), ('backbone',)),
    ((('backbone/layer2', 0.1), ('backbone/', 0.0), ('', 1.0)), ('stem', '1')),
    # A layer trains if any of its parameters does.
    ((('.*kernel', 1.0), ('', 0.0)), ()),
  ],
  ids=['all', 'head', 'later layers', 'kernels'],
)
def test_layers_train_unless_all_their_rates_are_0(rates, frozen):
  layer = {'kernel': np.zeros(2), 'bias': np.zeros(2)}
  backbone = {'stem': {'kernel': np.zeros(2)}, 'layer1': layer, 'layer2': layer}
  params = {'backbone': backbone, 'cls': {'tower': layer}}
  (phase,) = schedule.make_phases({'all': {'from_epoch': 0, 'rates': rates}})
  mode = phase.mode(params)
  names = 'stem', 'layer1', 'layer2'
  frozen_layers = tuple(n for n in names if not mode.trains(('backbone', n)))
  expected = {'backbone': names, 'stem': ('stem', 'layer1')}
  assert frozen_layers == expected.get(frozen[0] if frozen else None, ())
  assert mode.trains(('backbone',)) == (len(frozen_layers) < 3)
  assert mode.trains(('cls', 'tower', 'bn'))


@pytest.mark.parametrize('starts', [{'a': 1}, {'a': 0, 'b': 0}, {}], ids=str)
def test_phases_must_begin_at_0_and_at_different_epochs(starts):
  with pytest.raises(ValueError, match='one must begin at 0'):
    phases(**starts)
