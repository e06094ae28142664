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

from acm_jax import command, model_flags
from acm_jax.evaluation import benchmarks, methods, metrics, run, tables


def define(values: flags.FlagValues) -> None:
  """Defines the command's flags on `values`."""
  model_flags.define(values)
  for name in ('benchmark', 'data_dir'):
    flags.DEFINE_string(name, None, '', required=True, flag_values=values)
  text = 'Numbers of lanes; the first is what others are held against.'
  flags.DEFINE_list('counts', ['1', '8', '32'], text, flag_values=values)
  flags.DEFINE_integer('rounds', 3, 'Of all numbers.', flag_values=values)
  flags.DEFINE_list('sequences', None, 'These alone.', flag_values=values)


def follow(method: methods.Method, found: list) -> tuple[np.ndarray, float]:
  """Boxes of all sequences, and frames/s with decoding."""
  outcomes = list(method.follow(found, lambda count: None, None))
  outcomes.sort(key=lambda outcome: outcome.index)
  seconds = sum(outcome.seconds_with_decode.sum() for outcome in outcomes)
  boxes = np.concatenate([outcome.box_xywh for outcome in outcomes])
  return boxes, len(boxes) / seconds


def main(values: flags.FlagValues) -> None:
  """Compares numbers of lanes."""
  benchmark = benchmarks.get(values.benchmark)
  found = run.sequences(benchmark, Path(values.data_dir), values.sequences)
  model = model_flags.load(values)
  counts = [int(count) for count in values.counts]
  made = {count: methods.trained(model, count) for count in counts}
  rates = {count: [] for count in counts}
  boxes = {}
  for _ in range(values.rounds):
    for count in counts:
      boxes[count], rate = follow(made[count], found)
      rates[count].append(rate)
  true = np.concatenate([sequence.box_xywh for sequence in found])
  kept = np.concatenate([sequence.visible for sequence in found])
  overlap = {
    count: metrics.overlaps(each[kept], true[kept].astype(float)).mean()
    for count, each in boxes.items()
  }
  first = counts[0]
  rows = [
    [
      str(count),
      f'{np.median(rates[count]):.1f}',
      f'{np.median(np.divide(rates[count], rates[first])):.2f}x',
      f'{np.abs(boxes[count] - boxes[first]).max():.2g}',
      f'{overlap[count] - overlap[first]:+.2g}',
      str(len(made[count].programs)),
    ]
    for count in counts
  ]
  head = ['lanes', 'frames/s', 'ratio', 'boxes apart [px]', 'AO', 'programs']
  tables.show([head, *rows], f'{len(found)} sequences, {len(true)} frames')


if __name__ == '__main__':
  sys.exit(command.run(define, main, __doc__))
