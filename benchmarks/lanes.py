"""What lanes do to speed and boxes, over sequences of a benchmark.

  PYTHONPATH=. python benchmarks/lanes.py --checkpoint runs/quickstart \\
    --benchmark otb100 --data_dir OTB100 --counts 1,8,32,128

Every number of lanes follows all sequences in turn, compiling apart. Prints
frames/s, its ratio to the first number's in the same round (the middle of the
rounds), how far boxes lie from the first one's, and the difference in average
overlap.
"""

import sys
from pathlib import Path

import numpy as np
from absl import flags

from acm_jax import model_flags
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
  for name in ('benchmark', 'data_dir'):
    flags.DEFINE_string(name, None, '', required=True, flag_values=values)
  text = 'Numbers of lanes; the first is what others are held against.'
  flags.DEFINE_list('counts', ['1', '8', '32'], text, flag_values=values)
  flags.DEFINE_integer('rounds', 3, 'Of all numbers.', flag_values=values)
  flags.DEFINE_list(
    'sequences', None, 'Comma-separated subset.', flag_values=values
  )


def follow(engine: Engine, found: list) -> tuple[list[np.ndarray], float]:
  """Boxes of each sequence, and frames/s with decoding."""
  one_pass, truths = EXPERIMENTS['one_pass'], list(map(Truth.of, found))
  jobs = [
    Job(sequence, one_pass.protocol(sequence, truth))
    for sequence, truth in zip(found, truths, strict=True)
  ]
  boxes, seconds, frames = [np.zeros(0)] * len(found), 0.0, 0
  for done in scheduler.drive(engine, jobs):
    boxes[done.index] = done.runs[0].region
    seconds += done.times[1].sum()
    frames += done.answers
  return boxes, frames / seconds


def apart(boxes: list[np.ndarray], others: list[np.ndarray]) -> float:
  """Largest difference of a coordinate, px."""
  return float(np.abs(np.concatenate(boxes) - np.concatenate(others)).max())


def main(values: flags.FlagValues) -> None:
  """Compares numbers of lanes."""
  benchmark = benchmarks.get(values.benchmark)
  found = benchmarks.sequences(
    benchmark, Path(values.data_dir), values.sequences
  )
  model = model_flags.load(values)
  counts = [int(count) for count in values.counts]
  made = {count: Engine(model, count) for count in counts}
  rates = {count: [] for count in counts}
  boxes = {}
  for _ in range(values.rounds):
    for count in counts:
      boxes[count], rate = follow(made[count], found)
      rates[count].append(rate)
  overlap = {
    count: np.mean(
      [
        toolkits.rated_overlaps(own, Truth.of(sequence)).mean()
        for own, sequence in zip(each, found, strict=True)
      ]
    )
    for count, each in boxes.items()
  }
  first = counts[0]
  rows = [
    [
      str(count),
      f'{np.median(rates[count]):.1f}',
      f'{np.median(np.divide(rates[count], rates[first])):.2f}x',
      f'{apart(boxes[count], boxes[first]):.2g}',
      f'{overlap[count] - overlap[first]:+.2g}',
      str(len(made[count].programs)),
    ]
    for count in counts
  ]
  head = ['lanes', 'frames/s', 'ratio', 'boxes apart [px]', 'AO', 'programs']
  tables.show(
    [head, *rows], f'{len(found)} sequences, {sum(map(len, found))} frames'
  )


if __name__ == '__main__':
  sys.exit(command.run(define, main, __doc__))
