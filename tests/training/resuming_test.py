"""With which configs a run goes on, and what the others are told."""

import copy
import re

import pytest

from acm_jax.training import resuming
from tests.training import fakes

# Of four epochs of two steps; the rate peaks in epoch 1 and falls until 3.
THERE = {
  **fakes.PLAN,
  'tracker': {'name': 'fake', 'wide_search': 'never'},
  'validation': {'benchmark': 'davis', 'sequences': ('camel', 'bear')},
}


def changed(changes):
  """The config with values set, by place; None takes a key away."""
  config = copy.deepcopy(THERE)
  for place, value in changes.items():
    *path, key = place.split('.')
    section = config
    for name in path:
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
    {'validation.sequences': ('camel', 'parkour')},
    {'validation': None},
  ],
  ids=str,
)
def test_what_no_step_follows_from_may_change_at_any_time(changes):
  resuming.check(THERE, changed(changes), step=8)
  resuming.check(changed(changes), THERE, step=8)


@pytest.mark.parametrize(
  ('changes', 'step'),
  [
    # In the warm-up and at its end no rate depends on the number of epochs.
    ({'train.epochs': 40}, 4),
    ({'train.epochs': 3}, 4),
    # The factor from epoch to epoch, 5 ** -0.5, three times more.
    ({'train.epochs': 7, 'schedule.last_rate': 1e-3 * 5**-1.5}, 8),
    # Ends where the run is.
    ({'train.epochs': 3, 'schedule.last_rate': 1e-3 * 5**0.5}, 6),
    ({'schedule.last_rate': 1e-5}, 4),
    ({'phases.unfrozen.rates': (('', 0.5),)}, 6),
    ({'phases.unfrozen.from_epoch': 2}, 4),
    # Without a checkpoint all that is by epoch is to come.
    ({'train.epochs': 9, 'phases.frozen.rates': (('', 1.0),)}, None),
  ],
  ids=str,
)
def test_epochs_to_come_may_change(changes, step):
  resuming.check(THERE, changed(changes), step)


@pytest.mark.parametrize(
  ('changes', 'step', 'message'),
  [
    (
      {'optimizer.momentum': 0.8, 'train.seed': 1},
      8,
      'with another config: optimizer.momentum (0.9 there, 0.8 asked for), '
      'train.seed (0 there, 1 asked for); take another --workdir, with --init',
    ),
    (
      {'sets.synthetic.gap': 6},
      None,
      'sets.synthetic.gap (5 there, 6 asked for); it has no checkpoint: remove',
    ),
    (
      {'train.pairs_per_epoch': 80, 'train.epochs': 1},
      8,
      'train.pairs_per_epoch (16 there, 80 asked for); take',
    ),
    (
      {'train.epochs': 3},
      7,
      'at step 7: config.train.epochs=3 would end it at step 6; set 4 or more',
    ),
    (
      {'train.epochs': 7},
      5,
      'whose epoch 2 had the learning rate 0.00223607, and here it has '
      '0.0036239; leave config.schedule as it was, but for',
    ),
    ({'schedule.first_rate': 2e-3}, 1, 'whose epoch 0 had the learning rate'),
    (
      {'phases.unfrozen.from_epoch': 2},
      5,
      'whose epoch 2 was in phase frozen, and here it is in unfrozen',
    ),
    (
      {'phases.unfrozen.rates': (('', 0.5),)},
      7,
      'leave config.phases as they were before epoch 4, or take another',
    ),
    # The momentum of the start, too, is that of a phase.
    ({'phases.frozen.rates': (('', 1.0),)}, 0, 'epoch 0 was in phase frozen'),
  ],
  ids=str,
)
def test_what_would_have_changed_steps_taken_is_refused(changes, step, message):
  with pytest.raises(ValueError, match=re.escape(message)):
    resuming.check(THERE, changed(changes), step)


@pytest.mark.parametrize('epochs', [3, 4, 20])
@pytest.mark.parametrize('schedule', [{}, {'schedule.peak_rate': 1e-2}])
def test_the_last_rate_that_a_refusal_names_keeps_the_rates(epochs, schedule):
  changes = {'train.epochs': epochs, 'schedule.last_rate': 9e-4, **schedule}
  with pytest.raises(ValueError, match='which gives') as caught:
    resuming.check(THERE, changed(changes), step=6)
  advised = float(re.search(r'schedule.last_rate=(\S+),', str(caught.value))[1])
  changes = {'train.epochs': epochs, 'schedule.last_rate': advised}
  resuming.check(THERE, changed(changes), step=6)


def test_a_teacher_that_is_not_loaded_yet_is_not_compared():
  seen, other = ({'cls': 1.0, 'fingerprint': i} for i in (1, 2))
  resuming.check(
    THERE | {'teacher': seen}, THERE | {'teacher': {'cls': 1.0}}, 2
  )
  for here in (THERE | {'teacher': other}, THERE):
    with pytest.raises(ValueError, match=r'another config: teacher\.'):
      resuming.check(THERE | {'teacher': seen}, here, 2)


@pytest.mark.parametrize(
  ('change', 'compare'),
  [
    ({'train.epochs': 9}, True),
    ({'validation.sequences': ('camel', 'parkour')}, False),
    ({'hparams.penalty_k': 0.2}, False),
    ({'tracker.wide_search': 'long_term'}, False),
  ],
  ids=str,
)
def test_figures_compare_where_sequences_and_tracking_are_the_same(
  change, compare
):
  same = resuming.measured(changed(change)) == resuming.measured(THERE)
  assert same == compare
