"""What tracking a target in one frame returns, without JAX."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float


class Result(NamedTuple):
  """Result of tracking a target in one frame.

  Attributes:
    box: Box x, y, w, h, px of the frame, 0-based.
    score: Probability that the box shows the target, 0 to 1. Neither the cosine
      window nor the penalty on changes of size and aspect ratio is included.
    lost: Whether the score has fallen below the model's `lost_score` and has
      not risen above its `found_score` since.
    margin: Difference between the score and the highest score outside of the
      box; a small margin indicates a distractor.
  """

  box: Float[np.ndarray, '4']
  score: float
  lost: bool
  margin: float


class ScoreMap(NamedTuple):
  """Scores of the locations of a search region.

  Attributes:
    scores: Highest score at each location, 0 to 1; the first axis is vertical.
    box: Box x, y, w, h of the cells, px of the frame, 0-based. It may extend
      beyond the frame.
  """

  scores: Float[np.ndarray, 'r r']
  box: Float[np.ndarray, '4']
