"""The modes that search a larger region, by name."""

import dataclasses

import jax.numpy as jnp

from acm_jax.tracking.contract import WideSearch


@dataclasses.dataclass(frozen=True)
class LongTerm(WideSearch):
  """While the target is lost a larger region is searched.

  It is lost when its score falls below `Hparams.lost_score`, and found again
  above `Hparams.found_score`. Where the score is below the former, the target
  stays where it was.

  Deviation: pysot clips a box to the frame in what it returns, but not in its
  state; here both are clipped, as in its short-term tracker.

  Source: the long-term SiamRPN++ of pysot.
  """

  search_size: int = 831
  window_influence: float | None = 0.001
  holds: bool = True

  def wanted(self, state, found, lost, side):
    return lost


@dataclasses.dataclass(frozen=True)
class FastMotion(WideSearch):
  """After one leap of the target a larger region is searched to the end.

  A leap is a displacement of more than half the template's crop.

  Deviation: the released code compares the displacement without its sign, so
  that it misses leaps to the left and up; here all count. That the mode never
  ends is as released.

  Source: the released SiamBAN-ACM tracker.
  """

  search_size: int = 510

  def wanted(self, state, found, lost, side):
    moved = jnp.abs(found.box_cxcywh[:2] - state.center)
    return state.wide | jnp.any(moved > side / 2)


_MODES = {'never': None, 'long_term': LongTerm(), 'fast_motion': FastMotion()}


def make(name: str) -> WideSearch | None:
  """A mode by name; 'never' is none.

  Raises:
    ValueError: The name is unknown.
  """
  if name not in _MODES:
    raise ValueError(f'no wide_search {name!r}: there are {", ".join(_MODES)}')
  return _MODES[name]
