"""Configs with which a run may resume, and messages about the others."""

import copy
import re

import pytest

from acm_jax.training import resuming
from tests.training import fakes

# Four epochs of two steps; the learning rate peaks in epoch 1 and then falls.
EARLIER = {
  **fakes.PLAN,
  'tracker': {'name': 'fake', 'wide_search': 'never'},
  'validation': {'benchmark': 'davis', 'sequences': ('camel', 'bear')},
}


def changed(changes):
  """Returns the config with values replaced by path; None removes a key."""
  config = copy.deepcopy(EARLIER)
  for path, value in changes.items():
    *names, key = path.split('.')
    section = config
    for name in names:
      section = section.setdefault(name, {})
    section[key] = value
    if value is None:
      del section[key]
  return config


@pytest.mark.parametrize(
  'changes',
  [
    {'log.every': 7, 'checkpoints.every': 3, 'checkpoints.keep': 1},
    {'data.workers': 4},
    {'hparams.penalty_k': 0.2, 'tuned.otb100.penalty_k': 0.3},
    {'tracker.wide_search': 'long_term'},
    {'tracker.wide_search': None},
    {'tracker.smallest_side': 4.0},
    {'validation.sequences': ('camel', 'parkour')},
    {'validation.patience': 3},
    # Earlier versions did not have these keys.
    {'train.accumulate': 1, 'train.norm_groups': 1, 'train.remat': False},
    {'validation': None},
  ],
  ids=str,
)
def test_settings_that_no_step_depends_on_may_change_at_any_time(changes):
  resuming.check(EARLIER, changed(changes), step=8)
  resuming.check(changed(changes), EARLIER, step=8)


@pytest.mark.parametrize(
  ('changes', 'step'),
  [
    # Until the end of the warm-up, no rate depends on the number of epochs.
    ({'train.epochs': 40}, 4),
    ({'train.epochs': 3}, 4),
    # Three more epochs with the same factor between epochs, 5 ** -0.5.
    ({'train.epochs': 7, 'schedule.last_rate': 1e-3 * 5**-1.5}, 8),
    # The run is already at the new end.
    ({'train.epochs': 3, 'schedule.last_rate': 1e-3 * 5**0.5}, 6),
    ({'schedule.last_rate': 1e-5}, 4),
    ({'phases.unfrozen.rates': (('', 0.5),)}, 6),
    ({'phases.unfrozen.from_epoch': 2}, 4),
    # Without a checkpoint, all epochs are still to come.
    ({'train.epochs': 9, 'phases.frozen.rates': (('', 1.0),)}, None),
  ],
  ids=str,
)
def test_settings_of_future_epochs_may_change(changes, step):
  resuming.check(EARLIER, changed(changes), step)


@pytest.mark.parametrize(
  ('changes', 'step', 'message'),
  [
    (
      {'optimizer.momentum': 0.8, 'train.seed': 1},
      8,
      'with another config: optimizer.momentum (was 0.9, now 0.8), train.seed '
      '(was 0, now 1); choose another `workdir`, with `init_from` to start',
    ),
    (
      {'sets.synthetic.gap': 6},
      None,
      'sets.synthetic.gap (was 5, now 6); remove the folder, which has no',
    ),
    (
      {'train.pairs_per_epoch': 80, 'train.epochs': 1},
      8,
      'train.pairs_per_epoch (was 16, now 80); choose',
    ),
    (
      {'train.epochs': 3},
      7,
      'at step 7, but config.train.epochs=3 would end it at step 6; set 4 or',
    ),
    (
      {'train.epochs': 7},
      5,
      'whose epoch 2 had the learning rate 0.00223607; the new config gives '
      '0.0036239; keep the old config.schedule, but set '
      'config.schedule.last_rate=',
    ),
    ({'schedule.first_rate': 2e-3}, 1, 'whose epoch 0 had the learning rate'),
    (
      {'phases.unfrozen.from_epoch': 2},
      5,
      'whose epoch 2 was in phase frozen, and is now in phase unfrozen',
    ),
    (
      {'phases.unfrozen.rates': (('', 0.5),)},
      7,
      'settings have changed; keep the old config.phases for the epochs before '
      '4',
    ),
    # The momentum of step 0 already depends on the phase.
    ({'phases.frozen.rates': (('', 1.0),)}, 0, 'epoch 0 was in phase frozen'),
  ],
  ids=str,
)
def test_settings_that_would_change_past_steps_are_refused(
  changes, step, message
):
  with pytest.raises(ValueError, match=re.escape(message)):
    resuming.check(EARLIER, changed(changes), step)


@pytest.mark.parametrize('epochs', [3, 4, 20])
@pytest.mark.parametrize('schedule', [{}, {'schedule.peak_rate': 1e-2}])
def test_the_last_rate_that_a_message_advises_keeps_the_past_rates(
  epochs, schedule
):
  changes = {'train.epochs': epochs, 'schedule.last_rate': 9e-4, **schedule}
  with pytest.raises(ValueError, match='which gives') as caught:
    resuming.check(EARLIER, changed(changes), step=6)
  advised = float(re.search(r'schedule.last_rate=(\S+),', str(caught.value))[1])
  changes = {'train.epochs': epochs, 'schedule.last_rate': advised}
  resuming.check(EARLIER, changed(changes), step=6)


def test_a_teacher_that_is_not_loaded_yet_is_not_compared():
  seen, other = ({'cls': 1.0, 'fingerprint': i} for i in (1, 2))
  resuming.check(
    EARLIER | {'teacher': seen}, EARLIER | {'teacher': {'cls': 1.0}}, 2
  )
  for config in (EARLIER | {'teacher': other}, EARLIER):
    with pytest.raises(ValueError, match=r'another config: teacher\.'):
      resuming.check(EARLIER | {'teacher': seen}, config, 2)


@pytest.mark.parametrize(
  ('change', 'comparable'),
  [
    ({'train.epochs': 9}, True),
    ({'validation.patience': 3}, True),
    ({'validation.sequences': ('camel', 'parkour')}, False),
    ({'hparams.penalty_k': 0.2}, False),
    ({'tracker.wide_search': 'long_term'}, False),
    ({'tracker.smallest_side': 4.0}, False),
  ],
  ids=str,
)
def test_overlaps_are_comparable_if_sequences_and_tracking_are_the_same(
  change, comparable
):
  same = resuming.measured(changed(change)) == resuming.measured(EARLIER)
  assert same == comparable
