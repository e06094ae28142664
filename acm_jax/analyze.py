"""Analyses how a tracker, or two side by side, fuse template and search region.

For every fusion of the network: how similar the response is at the target and
at the strongest distractor, how many channels are active, and how much of the
response lies at the target. For every tracker: IoU and score with the right
template and with wrong ones. docs/analysis.md defines the measures.

Writes analysis.json, tables in Markdown (analysis.md), distributions as PNG
files and heat maps of the first pairs in heat/.

Example:
  acm-jax analyze --checkpoint runs/nanotrackv3 --checkpoint runs/acm \\
    --data_dir data --sets davis,composed --out analysis
"""

import os
import sys
from pathlib import Path

from absl import flags

from acm_jax import models
from acm_jax.host import command
from data_pipelines.pairs import TRIAL_GAP


def define(values: flags.FlagValues) -> None:
  """Defines the command's flags on `values`."""
  required = {'required': True, 'flag_values': values}
  flags.DEFINE_multi_string(
    'checkpoint',
    None,
    f'Name of a model in the package ({", ".join(models.names())}); or folder '
    'of a model or a training run, where DIR@STEP or DIR@best selects a '
    'checkpoint. One or two',
    **required,
  )
  flags.DEFINE_string(
    'data_dir',
    None,
    'Folder of the prepared data sets (default: $ACM_DATA).',
    flag_values=values,
  )
  flags.DEFINE_list(
    'sets',
    None,
    'Comma-separated names of data sets in --data_dir. Every video of a set is '
    'equally likely.',
    **required,
  )
  flags.DEFINE_string('out', None, 'Folder to create.', **required)
  for name, default, low, text in (
    ('pairs', 5000, 1, 'Number of pairs.'),
    ('show', 4, 0, 'Number of pairs, from the first on, to draw heat maps of.'),
    ('gap', TRIAL_GAP, 1, 'Largest distance between the frames of a pair.'),
    ('batch_size', 32, 1, 'Number of pairs that are processed at once.'),
    ('seed', 0, 0, 'Random seed of the pairs.'),
  ):
    flags.DEFINE_integer(
      name, default, text, lower_bound=low, flag_values=values
    )


def main(values: flags.FlagValues) -> None:
  """Analyses the trackers, and prints the tables."""
  if len(values.checkpoint) > 2:
    raise ValueError('`checkpoint`: give one or two, which are then compared')
  data_dir = values.data_dir or os.environ.get('ACM_DATA')
  if not data_dir:
    raise ValueError('neither `data_dir` nor $ACM_DATA is given')
  print(f'loading {", ".join(values.checkpoint)}', flush=True)
  # JAX is imported only now, after the line above.
  from acm_jax.analysis import run
  from acm_jax.tracking import programs
  from acm_jax.training import trained
  from data_pipelines.mixture import DataSet

  programs.reuse_memory(large=True)
  programs.keep_programs()
  loaded = [trained.load(checkpoint) for checkpoint in values.checkpoint]
  names = [model.name for model in loaded]
  if len(set(names)) < len(names):
    names = values.checkpoint
  if len(set(names)) < len(names):
    raise ValueError('`checkpoint`: both are the same; give two different ones')
  folder = Path(data_dir).expanduser()
  request = run.Request(
    [
      DataSet(folder / name, num_use=-1, gap=values.gap) for name in values.sets
    ],
    values.pairs,
    values.batch_size,
    values.seed,
    min(values.show, values.pairs),
  )
  out = Path(values.out)
  print(run.analyze(dict(zip(names, loaded, strict=True)), request, out))
  print(f'{values.pairs} pairs analysed in {out}')


if __name__ == '__main__':
  sys.exit(command.run(define, main, __doc__))
