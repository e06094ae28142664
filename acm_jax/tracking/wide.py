"""Named rules that decide when to search a larger region."""

import dataclasses

import jax.numpy as jnp

from acm_jax.tracking.contract import WideSearch


@dataclasses.dataclass(frozen=True)
class LongTerm(WideSearch):
  """Searches a larger region while the target is lost.

  The target is lost when its score falls below `Hparams.lost_score`, and found
  again when the score rises above `Hparams.found_score`. In frames with a score
  below `lost_score`, the target keeps its previous position and size.

  Deviation: pysot's long-term tracker clips the returned box to the frame, but
  not the box in the state. `loop.step` clips both boxes, like pysot's
  short-term tracker.

  Source: the long-term SiamRPN++ of pysot.
  """

  search_size: int = 831
  window_influence: float | None = 0.001
  holds: bool = True

  def wanted(self, state, found, lost, side):
    return lost


@dataclasses.dataclass(frozen=True)
class FastMotion(WideSearch):
  """Searches a larger region in all frames after the target's first jump.

  A jump is a displacement along x or y, from one frame to the next, by more
  than half the side of a template crop for the target's size before the jump.

  Deviation: the official code compares the signed displacement, and so misses
  jumps to the left and up. This class detects jumps in all directions. As in
  the official code, the wide search never ends.

  Source: the official SiamBAN-ACM tracker.
  """

  search_size: int = 510

  def wanted(self, state, found, lost, side):
    moved = jnp.abs(found.box_cxcywh[:2] - state.center)
    return state.wide | jnp.any(moved > side / 2)


# Rules; keys are names.
MODES = {'never': None, 'long_term': LongTerm(), 'fast_motion': FastMotion()}


def make(name: str) -> WideSearch | None:
  """Returns the rule called `name`, or None for 'never'.

  Raises:
    ValueError: The name is unknown.
  """
  if name not in MODES:
    raise ValueError(
      f'`wide_search`={name!r}: unknown; choose from {", ".join(MODES)}'
    )
  return MODES[name]
