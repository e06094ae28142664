"""The anchor experiment: short-term tracking in VOT since 2020.

Some frames of a sequence are anchors. A tracker is started at every anchor. It
tracks forward to the last frame or backward to the first frame, in the
direction in which more frames remain. A run fails at the first of ten
successive frames in which the target is lost. The tracker is not restarted;
accuracy only counts the frames before the failure. Result files are
`<tracker>/baseline/<sequence>/<sequence>_<anchor>.txt`.

Source: Kristan et al., 2020 (The eighth visual object tracking challenge). The
details follow vot-toolkit and were found by scoring test runs with vot-toolkit.
"""

import functools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from acm_jax.datasets import sequences
from acm_jax.datasets.layouts.vot import region_box
from acm_jax.evaluation import regions
from acm_jax.evaluation.benchmarks import Benchmark
from acm_jax.evaluation.expected_overlap import ACCURACY_ROBUSTNESS, Sums
from acm_jax.evaluation.experiment import (
  Analysis,
  Experiment,
  Files,
  Runs,
  Truths,
)
from acm_jax.evaluation.outcome import Outcome, Scores
from acm_jax.evaluation.protocol import Next, Protocol, Start
from acm_jax.evaluation.runs import (
  INITIALISED,
  SKIPPED,
  Run,
  names_anchors,
  read_run,
  unbroken,
  write_run,
)
from acm_jax.evaluation.tables import Figure
from acm_jax.evaluation.truth import Truth

# The target is lost in a frame if the overlap is at most _LOST. A run fails if
# the target is lost in _GRACE successive frames.
_LOST, _GRACE = 0.1, 10

_FIGURES = {
  'accuracy': Figure('A'),
  'robustness': Figure('R'),
  'eao': Figure('EAO'),
}


class Anchors(Experiment):
  """Experiment with one run from each anchor frame."""

  title = 'anchor'
  subfolder = 'baseline'
  plots = (ACCURACY_ROBUSTNESS,)
  repeats = False

  def length(self, truth: Truth) -> int:
    """Returns the total number of frames of all runs."""
    return sum(
      _length(anchor, step, truth) for anchor, step in truth.anchors.items()
    )

  def recognises(self, folder: Path) -> bool:
    """Returns whether `baseline/` has files of anchor runs."""
    return names_anchors(folder / self.subfolder)

  def protocol(self, sequence: sequences.Sequence, truth: Truth) -> Protocol:
    """Yields requests to track from each anchor, one run after the other."""
    runs, anchors = [], _anchors(sequence.name, truth)
    # Check all anchors before tracking from the first one.
    for anchor in anchors:
      box = region_box(truth.region[anchor])
      if not (np.isfinite(box).all() and (box[2:] > 0).all()):
        raise ValueError(
          f'annotation row {anchor + 1}: trackers are started at this anchor, '
          f'so its box must be finite and have an area, but is {box.tolist()}'
        )
    for anchor, step in anchors.items():
      yield Start(anchor, region_box(truth.region_at(anchor)), step)
      boxes = [np.zeros(0)]
      for _ in range(_length(anchor, step, truth) - 1):
        boxes.append((yield Next()).box_xywh)
      runs.append(unbroken(boxes, start=anchor, step=step))
    return runs

  def files(
    self, folder: Path, name: str, truth: Truth, benchmark: Benchmark
  ) -> dict[Path, int]:
    """Returns a dictionary from result files to their numbers of rows.

    Each anchor has one file, whose name ends in the frame index of the anchor.
    """
    return {
      folder / self.subfolder / name / f'{name}_{anchor:08d}.txt': _length(
        anchor, step, truth
      )
      for anchor, step in _anchors(name, truth).items()
    }

  def read(
    self, path: Path, name: str, truth: Truth, benchmark: Benchmark
  ) -> Run:
    """Reads the result file of one anchor.

    The first row is the code for a start, 1. Every other row is a region. The
    code 0, or a region of NaN, means that the tracker found no target.
    """
    digits = re.search(r'_(\d{8})$', path.stem)
    anchor, anchors = int(digits[1]) if digits else None, _anchors(name, truth)
    if anchor not in anchors:
      listed = ', '.join(f'_{frame:08d}' for frame in anchors)
      raise ValueError(
        f'{path}: the file name must end in the frame of an anchor of {name}: '
        f'{listed}'
      )
    step = anchors[anchor]
    run = read_run(
      path,
      (SKIPPED, INITIALISED),
      _length(anchor, step, truth),
      f'frames from frame {anchor} {"on" if step > 0 else "backward"}',
    )
    return run._replace(start=anchor, step=step)

  def read_all(
    self, files: Files, truths: Truths, benchmark: Benchmark
  ) -> dict[str, list[Run]]:
    """Reads all files of a tracker; every anchor must have a file."""
    runs = super().read_all(files, truths, benchmark)
    for name, own in runs.items():
      anchors = _anchors(name, truths[name])
      if missing := anchors.keys() - {run.start for run in own}:
        first, *_ = files[name]
        file = first.with_name(f'{name}_{min(missing):08d}.txt')
        raise FileNotFoundError(
          f'{file}: no such file; only {len(own)} of {len(anchors)} anchors of '
          f'{name} have results, and all are needed'
        )
    return runs

  def write(
    self, folder: Path, name: str, runs: Sequence[Run], benchmark: Benchmark
  ) -> None:
    """Writes a file for each run."""
    for run in runs:
      file = f'{name}_{run.start:08d}.txt'
      write_run(folder / self.subfolder / name / file, run)

  def analysis(self, benchmark: Benchmark, name: str) -> Analysis:
    """Returns the scoring function and the figures of a scoring protocol.

    `name` must be 'vot_toolkit', the only scoring protocol for anchor runs.
    """
    scored = self.chosen({'vot_toolkit': vot_toolkit}, name)
    score = functools.partial(scored, lengths=benchmark.lengths)
    return Analysis(score, _FIGURES, 'eao', needs_sizes=True)


def _anchors(name: str, truth: Truth) -> Mapping[int, int]:
  if not truth.anchors:
    raise ValueError(
      f'{name}: has no anchors; use the official root folder of the benchmark, '
      'which has the anchors in <sequence>/anchor.value'
    )
  return truth.anchors


def _length(anchor: int, step: int, truth: Truth) -> int:
  """Returns the number of frames of an anchor's run, including the anchor."""
  return truth.frames - anchor if step > 0 else anchor + 1


def _scores(accuracy, robustness, eao=float('nan')) -> Scores:
  """Returns the scores of one sequence, or of all sequences together.

  Args:
    accuracy: Mean overlap in the frames before failures.
    robustness: Fraction of the frames of all runs that come before failures.
    eao: Expected average overlap; only defined for all sequences together.
  """
  return Scores(
    {
      'accuracy': float(accuracy),
      'robustness': float(robustness),
      'eao': float(eao),
    }
  )


class Followed(NamedTuple):
  """Overlaps of a run, and the number of frames before its failure.

  Attributes:
    overlap: Overlap in each frame; 0 in frame 0, in which the tracker starts.
    progress: Number of frames before the failure. If the run does not fail, the
      number of all its frames.
  """

  overlap: Float[np.ndarray, 'n']
  progress: int

  @property
  def failed(self) -> bool:
    """Whether the run fails."""
    return self.progress < len(self.overlap)


def vot_toolkit(
  runs: Runs,
  truths: Truths,
  lengths: tuple[int, int],
) -> Outcome:
  """Scores runs as vot-toolkit does.

  Total accuracy and robustness are weighted means over sequences. Accuracy
  weights a sequence by the number of frames before failures; robustness weights
  it by the length of the sequence. EAO counts lengths that no run reaches as 0.

  Args:
    runs: Runs of each sequence.
    truths: Ground truth of each sequence; a region is empty or NaN in frames
      without a target.
    lengths: Bounds low and high. EAO is averaged over run lengths from low to
      high - 1 frames. Run lengths do not count the start frame.
  """
  scores, progress, frames, sums = {}, [], [], []
  low, high = lengths
  for name, own in runs.items():
    followed = [overlaps_of(run, truths[name]) for run in own]
    before = sum(each.progress for each in followed)
    overlap = sum(each.overlap[: each.progress].sum() for each in followed)
    scores[name] = _scores(
      overlap / before, before / sum(len(each.overlap) for each in followed)
    )
    progress.append(before)
    frames.append(truths[name].frames)
    sums.append(overlap_sums(followed, high))
  summed = np.stack([each.overlap[low:high] for each in sums])
  count = np.stack([each.count[low:high] for each in sums])

  def redraw(drawn):
    return (drawn @ summed / np.maximum(drawn @ count, 1)).mean(axis=1)

  accuracy, robustness = (
    np.average([each[figure] for each in scores.values()], weights=weights)
    for figure, weights in (('accuracy', progress), ('robustness', frames))
  )
  eao = redraw(np.ones((1, len(sums)))).item()
  return Outcome(_scores(accuracy, robustness, eao), scores, redraw)


def overlaps_of(run: Run, truth: Truth) -> Followed:
  """Computes the overlaps of a run, and the number of frames before a failure.

  In a frame without a target, the target does not count as lost. The overlap is
  1 if the run has no region in this frame, and otherwise 0.
  """
  overlap = regions.overlaps(
    run,
    truth,
    regions.vot_toolkit_overlap,
    regions.vot_toolkit_overlap_alone,
  )
  indices = run.start + run.step * np.arange(len(overlap))
  is_lost = truth.visible[indices] & (overlap <= _LOST)
  # Frame 0, in which the tracker starts, has no region.
  is_lost[0] = False
  lost = 0
  for frame in range(len(overlap)):
    lost = lost + 1 if is_lost[frame] else 0
    if lost == _GRACE:
      return Followed(overlap, progress=frame + 1 - _GRACE)
  return Followed(overlap, progress=len(overlap))


def overlap_sums(followed: Sequence[Followed], length: int) -> Sums:
  """Sums the mean overlaps of the runs, at each run length.

  At run length i, the mean overlap of a run is the mean over its frames 1 to i.
  Frame 0 is left out, because the tracker is started in that frame. From a
  failure on, overlaps are 0, even beyond the end of the run. If a failed run
  has i frames or fewer, its sum of overlaps is divided by i - 1 instead of i,
  as in the toolkit.

  Args:
    followed: Overlaps of each run.
    length: Number of run lengths; they are 0 to `length` - 1.

  Returns:
    At each run length i: `overlap`, the sum of the mean overlaps; and `count`,
    the number of runs in that sum. The sum includes the runs with more than i
    frames, and all failed runs.
  """
  overlap = np.zeros((len(followed), length))
  for row, run in zip(overlap, followed, strict=True):
    kept = min(run.progress, length)
    row[:kept] = run.overlap[:kept]
  frames = np.arange(length)
  ends = np.array([len(run.overlap) for run in followed])[:, None]
  known = (frames < ends) | np.array([run.failed for run in followed])[:, None]
  divisor = np.maximum(frames - (frames >= ends), 1)
  means = np.where(known, np.cumsum(overlap, axis=1) / divisor, 0.0)
  return Sums(means.sum(axis=0), known.sum(axis=0))
