"""Average overlaps of a tracker on sequences, in one pass and without files."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from acm_jax.datasets import sequences
from acm_jax.evaluation import metrics, toolkits
from acm_jax.evaluation.experiments.one_pass import OnePass
from acm_jax.evaluation.truth import Truth
from acm_jax.running import scheduler
from acm_jax.running.scheduler import Follower, Job


def average_overlaps(
  follower: Follower, videos: Sequence[sequences.Sequence]
) -> Float[np.ndarray, 'n']:
  """Tracks sequences and returns the average overlap of each.

  The first frame and frames without the target do not count.

  Args:
    follower: Tracker.
    videos: Sequences with ground truth.
  """
  truths = list(map(Truth.of, videos))
  jobs = [
    Job(video, OnePass().protocol(video, truth))
    for video, truth in zip(videos, truths, strict=True)
  ]
  overlaps = np.full(len(videos), np.nan)
  for done in scheduler.drive(follower, jobs):
    rated = toolkits.rated_overlaps(done.runs[0].region, truths[done.index])
    overlaps[done.index] = metrics.average_overlap(rated)
  return overlaps
