"""Compares speed and boxes of tracking with different numbers of lanes.

The number of lanes is the number of sequences that are tracked at once. All
sequences of a benchmark are tracked with each number of lanes, in several
rounds; compilation is not timed. For each number of lanes, the script prints
the frames/s (median over rounds). It also compares with the first number of
lanes: ratio of the speeds (median over rounds), largest difference of a
coordinate, and change of the average overlap.

Example:
  PYTHONPATH=. python benchmarks/lanes.py --checkpoint runs/quickstart \\
    --benchmark otb100 --data_dir OTB100 --counts 1,8,32,128
"""

import sys
from pathlib import Path

import numpy as np
from absl import flags

from acm_jax import model_flags, sequence_flags
from acm_jax.datasets.sequences import Sequence
from acm_jax.evaluation import benchmarks, tables, toolkits
from acm_jax.evaluation.experiments import EXPERIMENTS
from acm_jax.evaluation.truth import Truth
from acm_jax.host import command
from acm_jax.running import scheduler
from acm_jax.running.scheduler import Job
from acm_jax.tracking.engine import Engine


def define(values: flags.FlagValues) -> None:
  """Defines the command's flags on `values`."""
  model_flags.define(values)
  for name, text in (
    ('benchmark', 'Benchmark of the sequences.'),
    ('data_dir', "Benchmark's root folder."),
  ):
    flags.DEFINE_string(name, None, text, required=True, flag_values=values)
  text = 'Comma-separated numbers of lanes; all are compared with the first.'
  flags.DEFINE_list('counts', ['1', '8', '32'], text, flag_values=values)
  text = 'Number of rounds; the table shows the median speed.'
  flags.DEFINE_integer('rounds', 3, text, flag_values=values)
  sequence_flags.define(values)


def track(
  engine: Engine, sequences: list[Sequence]
) -> tuple[list[np.ndarray], float]:
  """Tracks the sequences.

  Returns:
    Boxes x, y, w, h in every sequence, px, and the speed, including decoding,
    in frames/s.
  """
  one_pass = EXPERIMENTS['one_pass']
  jobs = [
    Job(sequence, one_pass.protocol(sequence, Truth.of(sequence)))
    for sequence in sequences
  ]
  boxes, seconds, frames = [np.zeros(0)] * len(sequences), 0.0, 0
  for done in scheduler.drive(engine, jobs):
    boxes[done.index] = done.runs[0].region
    seconds += done.times[1].sum()
    frames += done.answers
  return boxes, frames / seconds


def largest_difference(
  boxes: list[np.ndarray], others: list[np.ndarray]
) -> float:
  """Returns the largest difference of a coordinate between two results, px."""
  return float(np.abs(np.concatenate(boxes) - np.concatenate(others)).max())


def average_overlap(
  boxes: list[np.ndarray], sequences: list[Sequence]
) -> float:
  """Computes the mean of the sequences' average overlaps."""
  overlaps = [
    toolkits.rated_overlaps(box, Truth.of(sequence)).mean()
    for box, sequence in zip(boxes, sequences, strict=True)
  ]
  return np.mean(overlaps)


def main(values: flags.FlagValues) -> None:
  """Compares the numbers of lanes and prints a table."""
  benchmark = benchmarks.get(values.benchmark)
  root = Path(values.data_dir)
  sequences = sequence_flags.find(values, benchmark, root)
  model = model_flags.load(values)
  counts = [int(count) for count in values.counts]
  engines = {count: Engine(model, count) for count in counts}
  rates = {count: [] for count in counts}
  boxes = {}
  for _ in range(values.rounds):
    for count in counts:
      boxes[count], rate = track(engines[count], sequences)
      rates[count].append(rate)
  overlap = {
    count: average_overlap(boxes[count], sequences) for count in counts
  }
  first = counts[0]
  rows = [
    [
      str(count),
      f'{np.median(rates[count]):.1f}',
      f'{np.median(np.divide(rates[count], rates[first])):.2f}x',
      f'{largest_difference(boxes[count], boxes[first]):.2g}',
      f'{overlap[count] - overlap[first]:+.2g}',
      str(len(engines[count].programs)),
    ]
    for count in counts
  ]
  head = ['lanes', 'frames/s', 'ratio', 'boxes apart [px]', 'AO', 'programs']
  frames = sum(map(len, sequences))
  tables.show([head, *rows], f'{len(sequences)} sequences, {frames} frames')


if __name__ == '__main__':
  sys.exit(command.run(define, main, __doc__))
