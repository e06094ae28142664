"""The reset experiment of VOT 2015 to 2019: accuracy, failures and EAO.

A tracker that loses the target is restarted five frames later. Result files are
`<tracker>/baseline/<sequence>/<sequence>_001.txt`, with a row per frame.

Source: Kristan et al., TPAMI 2016 (arXiv:1503.01313). Toolkits score
differently, so each toolkit has its own function here.
"""

import functools
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from acm_jax.datasets import sequences
from acm_jax.evaluation import regions
from acm_jax.evaluation.benchmarks import Benchmark
from acm_jax.evaluation.expected_overlap import (
  ACCURACY_ROBUSTNESS,
  Sums,
  redrawn,
)
from acm_jax.evaluation.experiment import (
  Analysis,
  Experiment,
  Runs,
  Truths,
)
from acm_jax.evaluation.outcome import Outcome, Scores
from acm_jax.evaluation.protocol import Next, Protocol, Start
from acm_jax.evaluation.runs import (
  FAILED,
  INITIALISED,
  SKIPPED,
  TRACKED,
  Run,
  names_anchors,
  read_run,
  write_run,
)
from acm_jax.evaluation.tables import Figure
from acm_jax.evaluation.truth import Truth

# Number of frames from a failure to the next start.
SKIP = 5
# Number of frames that accuracy leaves out at each start, including the frame
# in which the tracker is started.
BURN_IN = 10
# vot-toolkit's robustness is the probability of tracking for this number of
# frames without a failure.
_SENSITIVITY = 30

_FIGURES = {
  'accuracy': Figure('A'),
  'robustness': Figure('R', better=''),
  'failures': Figure('failures', better='lower'),
  'eao': Figure('EAO'),
}


class Reset(Experiment):
  """Experiment with a restart after each failure."""

  title = 'reset'
  subfolder = 'baseline'
  plots = (ACCURACY_ROBUSTNESS,)

  def recognises(self, folder: Path) -> bool:
    """Returns whether `baseline/` exists and has no files of anchor runs."""
    results = folder / self.subfolder
    return results.is_dir() and not names_anchors(results)

  def protocol(self, sequence: sequences.Sequence, truth: Truth) -> Protocol:
    """Yields requests to track, and to restart five frames after a failure."""
    length = truth.frames
    event, region = np.full(length, SKIPPED), [np.zeros(0)] * length
    start = 0
    while start < length:
      yield Start(start, first_box(truth.region_at(start)))
      event[start] = INITIALISED
      frames, start = range(start + 1, length), length
      for frame in frames:
        box = np.asarray((yield Next()).box_xywh, float)
        true = truth.region_at(frame)
        if regions.pysot_overlap(box, true, truth.bounds) <= 0:
          event[frame], start = FAILED, frame + SKIP
          break
        event[frame], region[frame] = TRACKED, box
    return [Run(tuple(region), event)]

  def files(
    self, folder: Path, name: str, truth: Truth, benchmark: Benchmark
  ) -> dict[Path, int]:
    """Returns a dictionary from the only result file to its number of rows.

    The file has one row per frame.
    """
    return {folder / self.subfolder / name / f'{name}_001.txt': truth.frames}

  def read(
    self, path: Path, name: str, truth: Truth, benchmark: Benchmark
  ) -> Run:
    """Reads a result file.

    A row is a region or a code: 1 for a start, 2 for a failure, 0 for a frame
    that was skipped after a failure. A region of NaN means that the tracker
    found none.
    """
    codes = SKIPPED, INITIALISED, FAILED
    return read_run(path, codes, truth.frames)

  def write(
    self, folder: Path, name: str, runs: Sequence[Run], benchmark: Benchmark
  ) -> None:
    """Writes the file of the only run."""
    (run,) = runs
    write_run(folder / self.subfolder / name / f'{name}_001.txt', run)

  def analysis(self, benchmark: Benchmark, name: str) -> Analysis:
    """Returns the scoring function and the figures of a scoring protocol.

    `name` must be 'pysot' or 'vot_toolkit'.
    """
    scored = self.chosen({'pysot': pysot, 'vot_toolkit': vot_toolkit}, name)
    score = functools.partial(scored, lengths=benchmark.lengths)
    return Analysis(score, _FIGURES, 'eao', needs_sizes=True)


def first_box(region: Float[np.ndarray, '_']) -> Float[np.ndarray, '4']:
  """Returns the box x, y, w, h, px, with which a tracker is started.

  A region that is a box is returned unchanged. For a rotated rectangle, the box
  is centred on the mean of the corners. The box has the area of the rectangle
  and the aspect ratio of the rectangle's bounding box. Finally, one pixel is
  added to the width and to the height.

  Args:
    region: True region, px: a box x, y, w, h, or the corners x1, y1, x2, y2,
      ... of a rectangle.

  Source: the released code of pysot.
  """
  if len(region) == 4:
    return region
  corners = region.reshape(-1, 2)
  center = corners.mean(axis=0)
  sides = np.ptp(corners, axis=0)
  edges = np.linalg.norm(np.diff(corners[:3], axis=0), axis=1)
  size = sides * np.sqrt(edges.prod() / sides.prod()) + 1
  return np.concatenate([center - (size - 1) / 2, size])


def _scores(accuracy, robustness, failures, eao=float('nan')) -> Scores:
  """Returns the scores of one sequence, or of all sequences together.

  Args:
    accuracy: Mean overlap.
    robustness: In pysot, failures per hundred frames; in vot-toolkit, the
      probability of tracking 30 frames without a failure.
    failures: For one sequence, the mean number of failures per run. For all
      sequences together: in pysot, the sum of the means of the sequences; in
      vot-toolkit, their average, weighted by the lengths of the sequences.
    eao: Expected average overlap; only defined for all sequences together.
  """
  return Scores(
    {
      'accuracy': float(accuracy),
      'robustness': float(robustness),
      'failures': float(failures),
      'eao': float(eao),
    }
  )


def pysot(runs: Runs, truths: Truths, lengths: tuple[int, int]) -> Outcome:
  """Scores runs as pysot does.

  Total accuracy is the mean overlap in the frames of all sequences. For EAO, a
  run is cut into fragments: a new fragment begins 5 frames after each failure.
  EAO leaves out lengths beyond the longest sequence. Frames without a region
  are left out of accuracy, and have an overlap of 0 in EAO.

  Args:
    runs: Runs of each sequence.
    truths: Ground truth of each sequence.
    lengths: First and last of the run lengths over which EAO is averaged. They
      count the start frame.
  """
  rated, scores, sums, longest = [], {}, [], []
  low, high = lengths
  for name, own in runs.items():
    truth = truths[name]
    width, height = truth.bounds
    sizes = (width, height), (width - 1, height - 1)
    overlaps, fragments = [], []
    for run in own:
      # For EAO, pysot clips regions to a smaller image than for accuracy: one
      # column and one row fewer.
      whole, smaller = _pysot_overlaps(run, truth, sizes)
      overlaps.append(_after_burn_in(run, whole))
      fragments += _pysot_fragments(run, np.nan_to_num(smaller))
    failures = _mean_failures(own)
    counted = np.concatenate(overlaps)
    rated.append(counted)
    scores[name] = _scores(
      _mean(counted), 100 * failures / truth.frames, failures
    )
    sums.append(overlap_sums(fragments, high))
    longest.append(truth.frames)
  failures = sum(each['failures'] for each in scores.values())
  frames = sum(truths[name].frames for name in runs)
  redraw = redrawn(sums, slice(low - 1, high), longest)
  total = _scores(
    _mean(np.concatenate(rated)),
    100 * failures / frames,
    failures,
    redraw(np.ones((1, len(sums)))).item(),
  )
  return Outcome(total, scores, redraw)


def vot_toolkit(
  runs: Runs, truths: Truths, lengths: tuple[int, int]
) -> Outcome:
  """Scores runs as vot-toolkit does.

  Total accuracy and failures are means over sequences, weighted by length. For
  EAO, a run is cut into fragments, each from a start to the frame before the
  next failure. EAO leaves out lengths beyond the longest fragment. Frames
  without a region are left out of accuracy, and have an overlap of 0 in EAO.

  Args:
    runs: Runs of each sequence.
    truths: Ground truth of each sequence.
    lengths: First and last of the run lengths over which EAO is averaged. They
      do not count the start frame.
  """
  scores, sums, weights, longest = {}, [], [], []
  low, high = lengths
  for name, own in runs.items():
    truth = truths[name]
    accuracies, fragments = [], []
    for run in own:
      overlap = _vot_toolkit_overlaps(run, truth)
      accuracies.append(np.nan_to_num(_mean(_after_burn_in(run, overlap))))
      fragments += _vot_toolkit_fragments(run, np.nan_to_num(overlap))
    failures, frames = _mean_failures(own), truth.frames
    robustness = np.exp(-_SENSITIVITY * failures / frames)
    scores[name] = _scores(np.mean(accuracies), robustness, failures)
    weights.append(frames)
    sums.append(overlap_sums(fragments, high + 1))
    longest.append(max(len(fragment.overlap) for fragment in fragments))
  accuracy, failures = (
    np.average([each[figure] for each in scores.values()], weights=weights)
    for figure in ('accuracy', 'failures')
  )
  # The toolkit derives total robustness from the mean number of failures; it
  # does not average the robustness of the sequences.
  robustness = np.exp(-_SENSITIVITY * failures / np.mean(weights))

  redraw = redrawn(sums, slice(low, high + 1), longest)
  eao = redraw(np.ones((1, len(sums)))).item()
  total = _scores(accuracy, robustness, failures, eao)
  return Outcome(total, scores, redraw)


class Fragment(NamedTuple):
  """Part of a run that EAO treats as a separate run.

  Attributes:
    overlap: Overlap in each frame of the fragment.
    failed: Whether the fragment ended in a failure. If so, EAO counts all later
      frames with an overlap of 0.
    weight: Weight of the fragment in the mean over fragments.
  """

  overlap: Float[np.ndarray, 'n']
  failed: bool
  weight: float = 1.0


def overlap_sums(fragments: Sequence[Fragment], length: int) -> Sums:
  """Sums the mean overlaps of the fragments, at each run length.

  At run length i, the mean overlap of a fragment is the mean over its frames 1
  to i. Frame 0 is left out, because the tracker is started in that frame. From
  a failure on, overlaps are 0, even beyond the end of the fragment.

  Args:
    fragments: Fragments of all runs of a sequence.
    length: Number of run lengths; they are 0 to `length` - 1.

  Returns:
    At each run length i: `overlap`, the weighted sum of the mean overlaps; and
    `count`, the sum of the weights. The sums include the fragments with more
    than i frames, and all failed fragments.
  """
  reach = np.array([len(f.overlap) for f in fragments])
  reach[[f.failed for f in fragments]] = length
  overlap = np.zeros((len(fragments), length))
  for row, fragment in zip(overlap, fragments, strict=True):
    kept = fragment.overlap[:length]
    row[1 : len(kept)] = kept[1:]
  frames = np.arange(length)
  reached = frames < reach[:, None]
  weights = np.array([f.weight for f in fragments])
  sums = weights @ np.where(reached, np.cumsum(overlap, axis=1), 0.0)
  return Sums(sums / np.maximum(frames, 1), weights @ reached)


def _pysot_fragments(run, overlap):
  restarts = np.flatnonzero(run.event == FAILED) + SKIP
  # A restart right after the last frame begins a fragment without frames, so
  # that the fragment before it counts as failed. pysot never counts the last
  # fragment as failed, even if the fragment ends in a failure that is later.
  starts = [0, *restarts[restarts <= len(overlap)]]
  failed = [
    Fragment(overlap[start:end], failed=True)
    for start, end in itertools.pairwise(starts)
  ]
  if starts[-1] == len(overlap):
    # pysot weights a fragment by the mean of the weights of its frames and of
    # the frame of the restart, which does not exist here and has the weight 0.
    frames = len(failed[-1].overlap)
    failed[-1] = failed[-1]._replace(weight=frames / (frames + 1))
  return [*failed, Fragment(overlap[starts[-1] :], failed=False)]


def _vot_toolkit_fragments(run, overlap):
  failures = np.flatnonzero(run.event == FAILED)
  for start in np.flatnonzero(run.event == INITIALISED):
    later = failures[failures > start]
    end = later.min(initial=len(overlap))
    yield Fragment(overlap[start:end], failed=len(later) > 0)


def _pysot_overlaps(run, truth, sizes):
  """Returns the overlap in each frame, once per image size, [sizes, frames].

  For each of the sizes, regions are clipped to an image of that size. The
  overlap is NaN in frames without a region.
  """
  untracked = [np.nan] * len(sizes)
  return np.array(
    [
      regions.pysot_overlaps(found, true, sizes)
      if event == TRACKED and len(found)
      else untracked
      for event, found, true in zip(
        run.event, run.region, truth.region, strict=True
      )
    ]
  ).T


def _vot_toolkit_overlaps(run, truth):
  """Returns the overlap in each frame; NaN in frames without a region."""
  return np.array(
    [
      regions.vot_toolkit_overlap(found, true, truth.bounds)
      if event == TRACKED and len(found)
      else np.nan
      for event, found, true in zip(
        run.event, run.region, truth.region, strict=True
      )
    ]
  )


def _after_burn_in(run, overlap):
  """Returns the overlaps, with NaN in frames that accuracy leaves out.

  These are the first `BURN_IN` frames from each start on.
  """
  rated = overlap.copy()
  for start in np.flatnonzero(run.event == INITIALISED):
    rated[start : start + BURN_IN] = np.nan
  return rated


def _mean_failures(runs):
  return float(np.mean([(run.event == FAILED).sum() for run in runs]))


def _mean(values):
  values = values[~np.isnan(values)]
  return float(values.mean()) if len(values) else float('nan')
