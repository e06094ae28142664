"""Plots training pairs of a config as a PNG sheet.

The pairs are shown after augmentation, with the label maps of the search
images.

Examples:
  acm-jax pairs --config siamban_acm --data_dir data --out pairs.png
  acm-jax pairs --config finetune --init_from small --data_dir SEQUENCES \\
    --out pairs.png
"""

import os
import sys
from pathlib import Path

from absl import flags

from acm_jax.host import command, config_files
from acm_jax.training.train import plot_pairs


def define(values: flags.FlagValues) -> None:
  """Defines the command's flags on `values`."""
  optional = {'flag_values': values}
  config_files.define(values)
  flags.DEFINE_string(
    'out', None, 'PNG file to write.', required=True, **optional
  )
  flags.DEFINE_string(
    'data_dir',
    None,
    'Folder of the prepared data sets, or, for a config with the section '
    '`own`, of your own sequences (default: $ACM_DATA).',
    **optional,
  )
  flags.DEFINE_string(
    'init_from',
    None,
    'Model or training run to train further, for a config without the section '
    '`tracker`; see `acm-jax train`.',
    **optional,
  )
  flags.DEFINE_string(
    'workdir',
    None,
    'Folder of a run, whose synthetic sequences, or your own, are shown '
    '(default: the command writes them to a temporary folder first).',
    **optional,
  )
  flags.DEFINE_integer(
    'pairs', 32, 'Number of pairs to plot.', lower_bound=1, **optional
  )


def main(values: flags.FlagValues) -> None:
  """Writes the sheet of pairs."""
  data_dir = values.data_dir or os.environ.get('ACM_DATA', '')
  plot_pairs(
    values.config,
    Path(values.out),
    values.pairs,
    os.path.expanduser(data_dir) or None,
    values.init_from,
    Path(values.workdir) if values.workdir else None,
  )
  print(f'{values.pairs} pairs plotted in {values.out}')


if __name__ == '__main__':
  sys.exit(command.run(define, main, __doc__))
