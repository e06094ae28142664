"""Measures the speed at which worker processes read training pairs.

Reads the mixture of configs/nanotrack_acm.py:sets=composed+davis as training
does, and prints the pairs per second for each number of workers.

Example:
  PYTHONPATH=. python benchmarks/reading.py --data_dir DATA --workers 1,2
"""

import sys
import time
from pathlib import Path

from absl import flags

from acm_jax.host import command
from acm_jax.training import data
from acm_jax.training.plan import make_plan
from configs import nanotrack_acm
from data_pipelines.pipeline import train_batches

CONFIG, BATCH_SIZE = 'sets=composed+davis', 64


def define(values: flags.FlagValues) -> None:
  """Defines the command's flags on `values`."""
  text = 'Folder of the prepared data sets.'
  flags.DEFINE_string('data_dir', None, text, required=True, flag_values=values)
  text = 'Comma-separated numbers of worker processes.'
  flags.DEFINE_list('workers', ['1'], text, flag_values=values)
  text = 'Number of batches to read; the first is not timed.'
  flags.DEFINE_integer('batches', 100, text, lower_bound=2, flag_values=values)


def main(values: flags.FlagValues) -> None:
  """Reads with each number of workers and prints the rates."""
  sections = nanotrack_acm.get_config(CONFIG).to_dict()
  plan = make_plan(sections)
  sets = data.find_sets(sections['sets'], values.data_dir, Path())
  for workers in map(int, values.workers):
    batches = train_batches(
      sets,
      batch_size=BATCH_SIZE,
      seed=plan.train.seed,
      last_step=values.batches,
      **plan.crop_sides,
      **sections['data'] | {'workers': workers},
    )
    next(batches)
    begun = time.perf_counter()
    pairs = sum(len(batch.positive) for batch in batches)
    rate = pairs / (time.perf_counter() - begun)
    print(f'{workers} workers: {rate:.0f} pairs/s')


if __name__ == '__main__':
  sys.exit(command.run(define, main, __doc__))
