"""Tracking protocols: generators that request starts and frames.

A tracking protocol owns the loop over a sequence:

    def protocol(sequence, truth):
      answer = yield Start(0, sequence.box_xywh[0])
      for _ in range(1, len(sequence)):
        answer = yield Next()
      return runs

A driver, such as `running.scheduler.drive`, runs a trained tracker or a
baseline tracker. The driver answers each request with the tracker's output for
the requested frame. The answer to a `Start` has the box of that `Start`.

A *scoring* protocol is something else: the rules by which a toolkit computes
scores; see `evaluation.toolkits`.
"""

from collections.abc import Generator
from typing import NamedTuple

import numpy as np
from jaxtyping import Num

from acm_jax.evaluation.runs import Run


class Start(NamedTuple):
  """Request to start the tracker on a target.

  Attributes:
    frame: Index of the frame.
    box_xywh: Box of the target in that frame, px, 0-based.
    step: Difference between the frame indices of successive requests; -1
      tracks backward.
  """

  frame: int
  box_xywh: Num[np.ndarray, '4']
  step: int = 1


class Next(NamedTuple):
  """Request to track in the next frame, `Start.step` after the previous one."""


class Answer(NamedTuple):
  """Output of the tracker for a requested frame.

  Attributes:
    box_xywh: Box of the target, px, 0-based.
    score: Confidence of the tracker, from 0 to 1.
    lost: Whether the tracker reports the target as lost.
  """

  box_xywh: Num[np.ndarray, '4']
  score: float
  lost: bool


# A tracking protocol returns one run for each result file.
Protocol = Generator[Start | Next, Answer, list[Run]]
