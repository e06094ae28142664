"""How a protocol asks for tracking: as a generator that owns its loop.

    def protocol(sequence, truth):
      answer = yield Start(0, sequence.box_xywh[0])
      for _ in range(1, len(sequence)):
        answer = yield Next()
      return runs

Whoever drives it, a trained tracker in lanes or a baseline, answers every
request with what was found there. Of the frame of a start that is the box
given.
"""

from collections.abc import Generator
from typing import NamedTuple

import numpy as np
from jaxtyping import Num

from acm_jax.evaluation.runs import Run


class Start(NamedTuple):
  """Asks to give the tracker its target.

  Attributes:
    frame: Number of the frame.
    box_xywh: The target there, px, 0-based.
    step: Distance to the frames of the requests `Next` after this one; -1 goes
      backward.
  """

  frame: int
  box_xywh: Num[np.ndarray, '4']
  step: int = 1


class Next(NamedTuple):
  """Asks for the frame after the last one that was asked for."""


class Answer(NamedTuple):
  """What is found in a frame that was asked for.

  Attributes:
    box_xywh: The target, px, 0-based.
    score: How sure the tracker is, from 0 to 1.
  """

  box_xywh: Num[np.ndarray, '4']
  score: float


# Gives the runs that its requests make, one for each start that has a result
# file of its own.
Protocol = Generator[Start | Next, Answer, list[Run]]
