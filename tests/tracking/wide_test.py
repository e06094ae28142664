"""The modes that search a larger region, frame by frame."""

import types

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from acm_jax import trackers
from acm_jax.trackers.siamban.tracker import SiamBan
from acm_jax.tracking import loop, wide
from acm_jax.tracking.contract import Frame, Hparams, Outputs
from tests import formulas

FRAME = Frame(jnp.asarray(formulas.frame(0)), jnp.array([240, 320]))
BOX = jnp.array([150.0, 100.0, 24.0, 24.0])
# No penalty and no smoothing; window as a test needs it.
HPARAMS = Hparams(0.0, 0.0, 1.0, lost_score=0.8, found_score=0.998)


init = jax.jit(loop.init, static_argnums=0)
step = jax.jit(loop.step, static_argnums=0, static_argnames='wide')


class Peaks(nn.Module):
  """Sees targets of 40 px at some cells from the middle, with some scores."""

  # All that a tracker asks of it.
  backbone = types.SimpleNamespace(stride=8)

  def encode(self, template, box_size, **_):
    return box_size

  def respond(self, kernel, search, **_):
    cells = (search.shape[1] - 127) // 8 + 9
    peaks = self.get_variable('peaks', 'values')
    score = jnp.full((cells, cells), 1e-3)
    column, row = (peaks[:, :2].astype(int) + cells // 2).T
    score = score.at[row, column].set(peaks[:, 2])
    cls = jnp.stack([jnp.log1p(-score), jnp.log(score)], axis=-1)
    loc = jnp.full((1, cells, cells, 4), 20.0)
    return Outputs(cls=cls[None], loc=loc)


def run(mode, frames, hparams=HPARAMS):
  """Tracks through frames of peaks (x, y, score), choosing as the host does.

  Returns states and what was tracked, and whether the region was the larger.
  """
  tracker = SiamBan(Peaks(), wide_search=mode)
  state = init(tracker, {}, FRAME, BOX)
  states, found, sizes = [state], [], []
  for peaks in frames:
    sizes.append(bool(state.wide))
    # As many in every frame, so that one program serves all; the last again.
    values = jnp.array((*peaks, *[peaks[-1]] * (3 - len(peaks))), float)
    variables = {'peaks': {'values': values}}
    state, tracked = step(
      tracker, variables, hparams, state, FRAME, wide=sizes[-1]
    )
    states.append(state)
    found.append(tracked)
  return states, found, sizes


def test_a_target_is_lost_below_one_score_and_found_above_another():
  scores = [0.9, 0.5, 0.9, 0.999, 0.9]
  _, found, sizes = run(wide.make('long_term'), [[(0, 0, s)] for s in scores])
  assert [bool(t.lost) for t in found] == [False, True, True, False, False]
  assert sizes == [False, False, True, True, False]
  np.testing.assert_allclose([t.score for t in found], scores, rtol=1e-5)


def test_a_target_that_is_not_found_stays_and_a_doubtful_one_moves():
  frames = [[(3, 0, 0.5)], [(-4, 2, 0.9)]]
  (start, lost, doubtful), found, _ = run(wide.make('long_term'), frames)
  np.testing.assert_array_equal(lost.center, start.center)
  np.testing.assert_array_equal(lost.size, start.size)
  assert found[1].lost
  # Cells of 8 px, of a template whose 127 px show 48 px of the frame.
  moved = np.array([-4, 2]) * 8 * 48 / 127
  np.testing.assert_allclose(doubtful.center - start.center, moved, rtol=1e-5)


def test_the_flag_needs_no_mode_and_moves_nothing():
  states, found, sizes = run(None, [[(3, 0, 0.5)], [(0, 0, 0.9)]])
  assert [bool(t.lost) for t in found] == [True, True]
  assert sizes == [False, False]
  assert states[1].center[0] > states[0].center[0]


def test_one_threshold_makes_the_flag_one_of_the_frame():
  hparams = HPARAMS.replace(found_score=0.8)
  _, found, _ = run(None, [[(0, 0, 0.5)], [(0, 0, 0.9)]], hparams)
  assert [bool(t.lost) for t in found] == [True, False]


def test_the_larger_region_reaches_further_with_next_to_no_window():
  # Beyond the edge of a region of 255 px, and beside a middle that a window
  # of 0.9 would choose.
  frames = [[(0, 0, 0.5)], [(40, -40, 0.85), (0, 0, 0.7)]]
  hparams = HPARAMS.replace(window_influence=0.9)
  _, found, sizes = run(wide.make('long_term'), frames, hparams)
  assert sizes == [False, True]
  assert float(found[1].score) == pytest.approx(0.85, rel=1e-5)


@pytest.mark.parametrize(
  'place',
  [(9, 0), (-9, 0), (0, 9), (0, -9)],
  ids=['right', 'left', 'down', 'up'],
)
def test_a_leap_anywhere_widens_the_search_to_the_end(place):
  still = [(0, 0, 0.9)]
  # Half a template's crop is 63.5 px: 8 cells are more than that, 7 less.
  frames = [still, [(7, 7, 0.9)], [(*place, 0.9)], still, still]
  _, _, sizes = run(wide.make('fast_motion'), frames)
  assert sizes == [False, False, False, True, True]


def test_the_margin_is_over_the_best_score_outside_of_the_box():
  # Half a box of 40 px is 2.5 cells.
  frames = [
    [(0, 0, 0.9), (2, 2, 0.8), (3, 0, 0.6)],
    [(0, 0, 0.9), (0, -6, 0.4)],
  ]
  _, found, _ = run(None, frames)
  margins = [float(t.margin) for t in found]
  assert margins == pytest.approx([0.3, 0.5], abs=1e-5)


def test_modes_are_found_by_name():
  tracker = trackers.make('siamban', wide_search='fast_motion')
  assert tracker.wide_search.search_size == 510
  assert trackers.make('siamban').wide_search is None
  with pytest.raises(ValueError, match=r'there are never, long_term'):
    trackers.make('siamban', wide_search='short_term')
