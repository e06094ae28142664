"""Interface of experiments. Each file in `experiments/` defines one of them."""

import abc
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple, TypeVar

import numpy as np
from jaxtyping import Float

from acm_jax.datasets import sequences
from acm_jax.evaluation.benchmarks import Benchmark
from acm_jax.evaluation.outcome import Outcome
from acm_jax.evaluation.protocol import Protocol
from acm_jax.evaluation.results import find_results
from acm_jax.evaluation.runs import Run
from acm_jax.evaluation.tables import Figure
from acm_jax.evaluation.truth import Truth
from acm_jax.host import text_files

# Result files, runs and ground truth; the keys are names of sequences.
Files = Mapping[str, Sequence[Path]]
Runs = Mapping[str, Sequence[Run]]
Truths = Mapping[str, Truth]
_Value = TypeVar('_Value')


class Analysis(NamedTuple):
  """Scoring function of a scoring protocol, and the figures that it returns.

  Attributes:
    score: Function that scores a tracker's runs against the ground truth.
    figures: Headings of the figures that `score` returns; keys are names of
      figures. A figure is a score that is a single number. Tables have one
      column per figure, in this order.
    rank: Name of the figure that ranks trackers.
    needs_sizes: Whether regions are clipped to the images. If so, scores differ
      slightly from the toolkit's when the size of the images is unknown.
  """

  score: Callable[[Runs, Truths], Outcome]
  figures: Mapping[str, Figure]
  rank: str
  needs_sizes: bool


class Curve(NamedTuple):
  """A plot with a curve for each tracker.

  Attributes:
    name: Name of the curve in `Scores.curves`. The PNG and CSV files have the
      same name.
    rank: Name of the figure that ranks the trackers.
    title: Title of the plot.
    axis: Label of the horizontal axis, with the unit of the thresholds.
    thresholds: Threshold at each point of the curve.
  """

  name: str
  rank: str
  title: str
  axis: str
  thresholds: np.ndarray


class Points(NamedTuple):
  """A plot with a point for each tracker.

  Attributes:
    name: Name of the PNG and CSV files.
    rank: Name of the figure that ranks the trackers.
    title: Title of the plot.
    x: Name of the figure on the horizontal axis.
    y: Name of the figure on the vertical axis.
    x_label: Label of the horizontal axis.
    y_label: Label of the vertical axis.
  """

  name: str
  rank: str
  title: str
  x: str
  y: str
  x_label: str
  y_label: str


class Experiment(abc.ABC):
  """A way to run trackers on sequences, and to store and score their output.

  Attributes:
    title: Name in messages, without the word "experiment".
    subfolder: Subfolder of a tracker's folder that contains the result files.
    plots: Plots of the scores.
    repeats: Whether several result files of one sequence are repetitions of the
      same run. If so, the scores of the repetitions are averaged.
    for_all: Names of the scoring protocols that can score this experiment's
      results on every benchmark, even if the benchmark has another experiment.
    searchable: Whether hyper-parameters can be searched or calibrated with
      this experiment. A search tracks the same frames with every setting of the
      hyper-parameters, so the experiment must track from the first frame to the
      last without restarts.
  """

  title: ClassVar[str]
  subfolder: ClassVar[str] = '.'
  plots: ClassVar[tuple[Curve | Points, ...]]
  repeats: ClassVar[bool] = True
  for_all: ClassVar[Collection[str]] = ()
  searchable: ClassVar[bool] = False

  @abc.abstractmethod
  def recognises(self, folder: Path) -> bool:
    """Returns whether a tracker's folder has results of this experiment."""

  @abc.abstractmethod
  def protocol(self, sequence: sequences.Sequence, truth: Truth) -> Protocol:
    """Yields requests to start the tracker, or to track in the next frame.

    The caller sends the tracker's answer to each request into the generator. At
    the end, the generator returns the runs; see `evaluation.protocol`.

    Raises:
      ValueError: The ground truth lacks data that the experiment needs.
    """

  @abc.abstractmethod
  def files(
    self, folder: Path, name: str, truth: Truth, benchmark: Benchmark
  ) -> dict[Path, int]:
    """Returns a dictionary from result files to their numbers of rows.

    Keys are the paths of all result files of a sequence, in the tracker's
    folder `folder`. The files need not exist. Values are the numbers of rows
    that complete files have.
    """

  def find(
    self, folder: Path, match: Callable[[str], str | None]
  ) -> tuple[Files, list[str]]:
    """Finds the result files of a tracker; see `results.find_results`.

    Args:
      folder: Folder of one tracker's results.
      match: Function from a spelling of a sequence's name to the name itself,
        or to None if no sequence matches.

    Returns:
      A dictionary from sequences to their result files, and a list of the text
      files that match no sequence.
    """
    return find_results(folder, folder / self.subfolder, match)

  @abc.abstractmethod
  def read(
    self, path: Path, name: str, truth: Truth, benchmark: Benchmark
  ) -> Run:
    """Reads one result file of a sequence.

    Raises:
      OSError: The file cannot be read.
      ValueError: The file is not a result of this experiment; the message names
        the file and the row.
    """

  def read_all(
    self, files: Files, truths: Truths, benchmark: Benchmark
  ) -> dict[str, list[Run]]:
    """Reads all result files of a tracker.

    Raises:
      OSError: A file cannot be read, or a run of a sequence is missing.
      ValueError: A file is not a result of this experiment.
    """
    return {
      name: [self.read(path, name, truths[name], benchmark) for path in paths]
      for name, paths in files.items()
    }

  @abc.abstractmethod
  def write(
    self, folder: Path, name: str, runs: Sequence[Run], benchmark: Benchmark
  ) -> None:
    """Writes the runs of a sequence into a tracker's folder."""

  @abc.abstractmethod
  def analysis(self, benchmark: Benchmark, name: str) -> Analysis:
    """Returns the scoring function and the figures of a scoring protocol.

    Args:
      benchmark: Benchmark of the sequences.
      name: Name of the scoring protocol.

    Raises:
      ValueError: No scoring protocol of this name scores the experiment. The
        message lists the protocols that do.
    """

  def chosen(self, known: Mapping[str, _Value], name: str) -> _Value:
    """Returns the value of a scoring protocol, such as its scoring function.

    Args:
      known: Values of the scoring protocols that score the experiment; keys are
        their names.
      name: Name of the scoring protocol.

    Raises:
      ValueError: The name is not in `known`; the message lists the names.
    """
    if name not in known:
      raise ValueError(
        f'`protocol`: {name!r} does not score the {self.title} experiment; '
        f'choose from {", ".join(known)}'
      )
    return known[name]

  def length(self, truth: Truth) -> int:
    """Returns the number of frames to track if the tracker never fails."""
    return truth.frames

  def is_done(
    self, folder: Path, name: str, truth: Truth, benchmark: Benchmark
  ) -> bool:
    """Returns whether all result files of a sequence exist and are complete."""
    return all(
      path.is_file() and len(text_files.read(path).splitlines()) == rows
      for path, rows in self.files(folder, name, truth, benchmark).items()
    )

  def boxes(
    self, folder: Path, name: str, truth: Truth, benchmark: Benchmark
  ) -> Float[np.ndarray, 'n 4']:
    """Returns the boxes of the first run of a sequence, px, 0-based.

    The row of a frame without a box is NaN.
    """
    path = next(iter(self.files(folder, name, truth, benchmark)))
    return self.read(path, name, truth, benchmark).boxes(truth.frames)
