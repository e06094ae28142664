"""VOT's long-term protocol: precision and recall by confidence, and F-score.

A tracker says in each frame how sure it is that the target is there. At each
threshold of that confidence, precision is the mean overlap of the frames in
which it says so, and recall the overlap as a share of the frames in which the
target is there. The F-score is that of the best threshold. Result files are
`<tracker>/longterm/<sequence>/<sequence>_001.txt` and, beside it,
`<sequence>_001_confidence.value`.

Source: Lukezic et al., 2018 (arXiv:1804.07056). The toolkits differ, so that
each has a function; vot-toolkit's details were found by feeding it results.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from acm_jax.datasets import sequences
from acm_jax.datasets.layouts.vot import region_box
from acm_jax.evaluation import regions
from acm_jax.evaluation.benchmarks import Benchmark
from acm_jax.evaluation.experiment import (
  Analysis,
  Experiment,
  Files,
  Points,
  Runs,
  Truths,
)
from acm_jax.evaluation.outcome import Outcome, Scores
from acm_jax.evaluation.protocol import Next, Protocol, Start
from acm_jax.evaluation.runs import (
  INITIALISED,
  SKIPPED,
  Run,
  read_confidence,
  read_run,
  unbroken,
  write_confidence,
  write_run,
)
from acm_jax.evaluation.tables import Figure
from acm_jax.evaluation.truth import Truth

# How many thresholds there are.
_RESOLUTION = 100


_FIGURES = {
  'precision': Figure('Pr'),
  'recall': Figure('Re'),
  'f_score': Figure('F'),
}


class LongTerm(Experiment):
  """One pass, in which the tracker says how sure it is."""

  title = 'the long-term protocol'
  place = 'longterm'
  plots = (
    Points(
      'precision_recall',
      'f_score',
      'Precision and recall, with F-score',
      x='recall',
      y='precision',
      x_label='Recall',
      y_label='Precision',
    ),
  )

  def recognises(self, folder: Path) -> bool:
    """Whether there is `longterm/`."""
    return (folder / self.place).is_dir()

  def protocol(self, sequence: sequences.Sequence, truth: Truth) -> Protocol:
    """Follows the first box to the end, with or without a target."""
    yield Start(0, region_box(truth.region_at(0)))
    boxes, confidence = [np.zeros(0)], [np.nan]
    for _ in range(1, truth.frames):
      answer = yield Next()
      boxes.append(answer.box_xywh)
      confidence.append(answer.score)
    return [unbroken(boxes, np.array(confidence))]

  def files(
    self, folder: Path, name: str, truth: Truth, benchmark: Benchmark
  ) -> dict[Path, int]:
    """Regions, and the confidences of all frames."""
    path = folder / self.place / name / f'{name}_001.txt'
    return {path: truth.frames, _confidence_path(path): truth.frames}

  def read(
    self, path: Path, name: str, truth: Truth, benchmark: Benchmark
  ) -> Run:
    """Reads 1, then a region a frame, or 0 where there is none."""
    run = read_run(path, (SKIPPED, INITIALISED), truth.frames)
    file = _confidence_path(path)
    confidence = read_confidence(file)
    if len(confidence) != truth.frames:
      raise ValueError(
        f'{file}: {len(confidence)} rows for {truth.frames} annotated frames'
      )
    return run._replace(confidence=confidence)

  def read_all(
    self, files: Files, truths: Truths, benchmark: Benchmark
  ) -> dict[str, list[Run]]:
    """Reads all files of a tracker; there may be one a sequence."""
    for paths in files.values():
      if len(paths) > 1:
        raise ValueError(f'{paths[1]}: a second run; one is scored')
    return super().read_all(files, truths, benchmark)

  def write(
    self, folder: Path, name: str, runs: Sequence[Run], benchmark: Benchmark
  ) -> None:
    """Writes the confidences, then the regions that need them."""
    (run,) = runs
    path = folder / self.place / name / f'{name}_001.txt'
    path.parent.mkdir(parents=True, exist_ok=True)
    write_confidence(_confidence_path(path), run.confidence)
    write_run(path, run)

  def analysis(self, benchmark: Benchmark, name: str) -> Analysis:
    """That of pysot or of vot-toolkit."""
    known = {'pysot': pysot, 'vot_toolkit': vot_toolkit}
    score = self.chosen(known, name)
    return Analysis(score, _FIGURES, 'f_score', needs_sizes=True)


def _confidence_path(path: Path) -> Path:
  return path.with_name(f'{path.stem}_confidence.value')


def pysot(runs: Runs, truths: Truths) -> Outcome:
  """Scores as pysot's analysis has them, of all sequences and of each.

  Raises:
    ValueError: Fewer frames have a confidence than there are thresholds.
  """
  known = np.sort(_confidences(runs, missing=np.nan))
  known = known[~np.isnan(known)]
  count = _RESOLUTION - 2
  if len(known) < count:
    raise ValueError(
      f'{len(known)} confidences: pysot has no F-score of fewer than {count}; '
      'see vot_toolkit'
    )
  delta = len(known) // count
  places = np.linspace(delta - 1, len(known) - delta, count)
  thresholds = known[np.floor(places + 0.5).astype(int)]
  # Below all of them are the frames of any confidence at all.
  smallest = np.nextafter(0.0, 1.0)
  return _scores(
    runs, truths, [smallest, *thresholds, np.inf], regions.pysot_overlap
  )


def vot_toolkit(runs: Runs, truths: Truths) -> Outcome:
  """Scores as vot-toolkit has them, of all sequences and of each."""
  known = np.sort(_confidences(runs, missing=0.0))[::-1]
  count = _RESOLUTION - 2
  if len(known) > count:
    delta = len(known) // count
    places = np.linspace(delta, len(known) - delta, count)
    known = known[np.round(places).astype(int)]
  return _scores(
    runs, truths, [np.inf, *known, -np.inf], regions.vot_toolkit_overlap
  )


def _confidences(runs, missing):
  together = np.concatenate([run.confidence for (run,) in runs.values()])
  return np.where(np.isnan(together), missing, together)


def _scores(runs, truths, thresholds, overlap):
  curves = np.stack(
    [
      _curves(run, truths[name], np.array(thresholds), overlap)
      for name, (run,) in runs.items()
    ]
  )

  def redraw(drawn):
    means = np.tensordot(drawn, curves, 1) / drawn.sum(axis=1)[:, None, None]
    return _f_scores(*means.swapaxes(0, 1)).max(axis=1)

  sequences = dict(zip(runs, map(_best, curves), strict=True))
  return Outcome(_best(curves.mean(axis=0)), sequences, redraw)


def _curves(run, truth, thresholds, overlap) -> Float[np.ndarray, '2 t']:
  """Precision and recall at each threshold."""
  there = truth.there
  overlaps = np.zeros(len(there))
  for frame in np.flatnonzero(there[1:]) + 1:
    if len(run.region[frame]):
      overlaps[frame] = overlap(
        run.region[frame], truth.region[frame], truth.bounds
      )
  confidence = np.nan_to_num(run.confidence, nan=0.0)
  said = confidence >= thresholds[:, None]
  sums, counts = said @ overlaps, said.sum(axis=1)
  # Who says nothing says nothing wrong.
  precision = np.where(counts > 0, sums / np.maximum(counts, 1), 1.0)
  return np.stack([precision, sums / max(there.sum(), 1)])


def _best(curves) -> Scores:
  """Scores at the best threshold: that of a sequence is its own."""
  f_scores = _f_scores(*curves)
  best = int(np.argmax(f_scores))
  values = map(float, (*curves[:, best], f_scores[best]))
  return Scores(dict(zip(_FIGURES, values, strict=True)))


def _f_scores(precision, recall):
  both = precision + recall
  return 2 * precision * recall / np.where(both > 0, both, 1.0)
