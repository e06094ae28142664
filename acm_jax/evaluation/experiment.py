"""What an experiment is: all of it in one file of `experiments/`."""

import abc
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

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

# By sequence.
Files = Mapping[str, Sequence[Path]]
Runs = Mapping[str, Sequence[Run]]
Truths = Mapping[str, Truth]


class Analysis(NamedTuple):
  """How the results of an experiment are scored.

  Attributes:
    score: Scores the runs of a tracker against the truth of each sequence.
    figures: Figures of these scores, in the order of tables.
    rank: Figure that ranks trackers.
    needs_sizes: Whether regions are cut to the images, so that scores are not
      quite the toolkit's where the size of the images is unknown.
  """

  score: Callable[[Runs, Truths], Outcome]
  figures: Mapping[str, Figure]
  rank: str
  needs_sizes: bool


class Curve(NamedTuple):
  """A plot of a curve for each tracker.

  Attributes:
    name: Name of the curve in `Scores.curves`, and of the files.
    rank: Figure that ranks the trackers.
    title: What the curve is called.
    axis: Label of the thresholds, with their unit.
    thresholds: Where the curve has its points.
  """

  name: str
  rank: str
  title: str
  axis: str
  thresholds: np.ndarray


class Points(NamedTuple):
  """A plot of a point for each tracker.

  Attributes:
    name: Name of the files.
    rank: Figure that ranks the trackers.
    title: What the plot is called.
    x: Figure to the right.
    y: Figure upwards.
    x_label: Label of the axis.
    y_label: Label of the other.
  """

  name: str
  rank: str
  title: str
  x: str
  y: str
  x_label: str
  y_label: str


class Experiment(abc.ABC):
  """How trackers are run on a sequence, and how what they gave is scored.

  Attributes:
    title: Name in messages.
    place: Folder of its results below that of a tracker.
    plots: Plots of the scores.
    repeats: Whether several files of a sequence are repetitions.
    for_all: Names of analyses that score its results on any benchmark, rather
      than on those alone that ask for this experiment.
    searchable: Whether hyper-parameters can be searched by it: it follows the
      first box to the end, so that many candidates can share the frames.
  """

  title: ClassVar[str]
  place: ClassVar[str] = '.'
  plots: ClassVar[tuple[Curve | Points, ...]]
  repeats: ClassVar[bool] = True
  for_all: ClassVar[Collection[str]] = ()
  searchable: ClassVar[bool] = False

  @abc.abstractmethod
  def recognises(self, folder: Path) -> bool:
    """Whether a tracker's results are of this experiment."""

  @abc.abstractmethod
  def protocol(self, sequence: sequences.Sequence, truth: Truth) -> Protocol:
    """Asks for tracking of a sequence; see `evaluation.protocol`.

    Raises:
      ValueError: The truth lacks what the experiment needs.
    """

  @abc.abstractmethod
  def files(
    self, folder: Path, name: str, truth: Truth, benchmark: Benchmark
  ) -> dict[Path, int]:
    """The result files of a sequence, and how many rows each has."""

  def find(
    self, folder: Path, match: Callable[[str], str | None]
  ) -> tuple[Files, list[str]]:
    """Finds the result files of a tracker; see `results.find_results`.

    Args:
      folder: One tracker's results.
      match: Gives the sequence that a name is of, if any.

    Returns:
      Files by sequence, and the names of the text files that are of none.
    """
    return find_results(folder, folder / self.place, match)

  @abc.abstractmethod
  def read(
    self, path: Path, name: str, truth: Truth, benchmark: Benchmark
  ) -> Run:
    """Reads one of these.

    Raises:
      OSError: It cannot be read.
      ValueError: It is not of this experiment; the message names file and row.
    """

  def read_all(
    self, files: Files, truths: Truths, benchmark: Benchmark
  ) -> dict[str, list[Run]]:
    """Reads all files of a tracker.

    Raises:
      OSError: One cannot be read, or a run of a sequence is missing.
      ValueError: One is not of this experiment.
    """
    return {
      name: [self.read(path, name, truths[name], benchmark) for path in paths]
      for name, paths in files.items()
    }

  @abc.abstractmethod
  def write(
    self, folder: Path, name: str, runs: Sequence[Run], benchmark: Benchmark
  ) -> None:
    """Writes the runs of a sequence."""

  @abc.abstractmethod
  def analysis(self, benchmark: Benchmark, name: str) -> Analysis:
    """The analysis of a name.

    Raises:
      ValueError: There is none; the message lists the known.
    """

  def chosen(self, known: Mapping[str, Callable], name: str) -> Callable:
    """Chooses an analysis by name; raises ValueError if it is unknown."""
    if name not in known:
      raise ValueError(
        f'--protocol {name}: of {self.title} there are {" and ".join(known)}'
      )
    return known[name]

  def length(self, truth: Truth) -> int:
    """How many frames its protocol follows in a sequence without failures."""
    return truth.frames

  def is_done(
    self, folder: Path, name: str, truth: Truth, benchmark: Benchmark
  ) -> bool:
    """Whether all results of a sequence are there, and whole."""
    return all(
      path.is_file() and len(path.read_text().splitlines()) == rows
      for path, rows in self.files(folder, name, truth, benchmark).items()
    )

  def boxes(
    self, folder: Path, name: str, truth: Truth, benchmark: Benchmark
  ) -> Float[np.ndarray, 'n 4']:
    """The boxes of the first of its runs, px, 0-based; NaN where none is."""
    path = next(iter(self.files(folder, name, truth, benchmark)))
    return self.read(path, name, truth, benchmark).boxes(truth.frames)
