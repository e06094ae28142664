"""Tests of the rules that decide when to search a larger region."""

import types

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from acm_jax import trackers
from acm_jax.trackers.siamban.tracker import SiamBan
from acm_jax.trackers.siamese import Outputs
from acm_jax.tracking import loop, wide
from acm_jax.tracking.contract import Frame, Hparams
from tests import formulas

FRAME = Frame(jnp.asarray(formulas.frame(0)), jnp.array([240, 320]))
BOX = jnp.array([150.0, 100.0, 24.0, 24.0])
# No penalty, no smoothing and no window; one test sets a window.
HPARAMS = Hparams(0.0, 0.0, 1.0, lost_score=0.8, found_score=0.998)


init = jax.jit(loop.init, static_argnums=0)
step = jax.jit(loop.step, static_argnums=0, static_argnames='wide')


class Peaks(nn.Module):
  """Network that finds targets of 40 px at cells and with scores of its input.

  The variables `peaks` hold column, row and score of each target; cells are
  counted from the middle of the response map.
  """

  # Only the stride of the backbone is read.
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
  """Tracks like the engine, through frames of peaks (x, y, score).

  Returns:
    The states, beginning with the initial one, and for each frame the result
    and whether the larger region was searched.
  """
  tracker = SiamBan(Peaks(), wide_search=mode)
  state = init(tracker, {}, FRAME, BOX)
  states, results, were_wide = [state], [], []
  for peaks in frames:
    were_wide.append(bool(state.wide))
    # The last peak is repeated, so that one program serves all frames.
    values = jnp.array((*peaks, *[peaks[-1]] * (3 - len(peaks))), float)
    variables = {'peaks': {'values': values}}
    state, tracked = step(
      tracker, variables, hparams, state, FRAME, wide=were_wide[-1]
    )
    states.append(state)
    results.append(tracked)
  return states, results, were_wide


def test_a_target_is_lost_below_one_score_and_found_above_another():
  scores = [0.9, 0.5, 0.9, 0.999, 0.9]
  frames = [[(0, 0, score)] for score in scores]
  _, results, were_wide = run(wide.make('long_term'), frames)
  assert [bool(t.lost) for t in results] == [False, True, True, False, False]
  assert were_wide == [False, False, True, True, False]
  np.testing.assert_allclose([t.score for t in results], scores, rtol=1e-5)


def test_a_lost_target_moves_only_to_scores_of_at_least_lost_score():
  frames = [[(3, 0, 0.5)], [(-4, 2, 0.9)]]
  (start, lost, doubtful), results, _ = run(wide.make('long_term'), frames)
  np.testing.assert_array_equal(lost.center, start.center)
  np.testing.assert_array_equal(lost.size, start.size)
  assert results[1].lost
  # Cells are 8 px apart in crops in which 127 px show 48 px of the frame.
  moved = np.array([-4, 2]) * 8 * 48 / 127
  np.testing.assert_allclose(doubtful.center - start.center, moved, rtol=1e-5)


def test_without_wide_search_lost_targets_are_flagged_but_still_move():
  states, results, were_wide = run(None, [[(3, 0, 0.5)], [(0, 0, 0.9)]])
  assert [bool(t.lost) for t in results] == [True, True]
  assert were_wide == [False, False]
  assert states[1].center[0] > states[0].center[0]


def test_with_equal_thresholds_the_flag_depends_only_on_the_frame():
  hparams = HPARAMS.replace(found_score=0.8)
  _, results, _ = run(None, [[(0, 0, 0.5)], [(0, 0, 0.9)]], hparams)
  assert [bool(t.lost) for t in results] == [True, False]


def test_the_larger_region_reaches_further_and_uses_almost_no_window():
  # The first peak lies outside a search region of 255 px; a window influence of
  # 0.9 would select the second peak, in the middle.
  frames = [[(0, 0, 0.5)], [(40, -40, 0.85), (0, 0, 0.7)]]
  hparams = HPARAMS.replace(window_influence=0.9)
  _, results, were_wide = run(wide.make('long_term'), frames, hparams)
  assert were_wide == [False, True]
  assert float(results[1].score) == pytest.approx(0.85, rel=1e-5)


@pytest.mark.parametrize(
  'cell',
  [(9, 0), (-9, 0), (0, 9), (0, -9)],
  ids=['right', 'left', 'down', 'up'],
)
def test_a_jump_in_any_direction_widens_the_search_for_good(cell):
  still = [(0, 0, 0.9)]
  # Half the template crop is 63.5 px, less than 8 cells and more than 7.
  x, y = cell
  frames = [still, [(7, 7, 0.9)], [(x, y, 0.9)], still, still]
  _, _, were_wide = run(wide.make('fast_motion'), frames)
  assert were_wide == [False, False, False, True, True]


def test_the_margin_is_the_lead_over_the_best_score_outside_the_box():
  # Half of a 40 px box is 2.5 cells.
  frames = [
    [(0, 0, 0.9), (2, 2, 0.8), (3, 0, 0.6)],
    [(0, 0, 0.9), (0, -6, 0.4)],
  ]
  _, results, _ = run(None, frames)
  margins = [float(t.margin) for t in results]
  assert margins == pytest.approx([0.3, 0.5], abs=1e-5)


def test_rules_are_selected_by_name():
  tracker = trackers.make('siamban', wide_search='fast_motion')
  assert tracker.wide_search.search_size == 510
  assert trackers.make('siamban').wide_search is None
  with pytest.raises(ValueError, match='choose from never, long_term'):
    trackers.make('siamban', wide_search='short_term')
