"""Plots training pairs of a config as a PNG sheet.

The pairs are shown after augmentation, with the label maps of the search
images.

Example:
  acm-jax pairs --config siamban_acm --data_dir data --out pairs.png
"""

import os
import sys
from pathlib import Path

from absl import flags

from acm_jax.host import command, config_files
from acm_jax.training import data, show
from acm_jax.training.plan import make_plan
from acm_jax.training.sections import section


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
    'Folder of the prepared data sets (default: $ACM_DATA).',
    **optional,
  )
  flags.DEFINE_string(
    'workdir',
    None,
    'Folder of the run, whose subfolder data/ holds the synthetic sequences; '
    'used only by configs that train on such sequences (default: runs).',
    **optional,
  )
  flags.DEFINE_integer(
    'pairs', 32, 'Number of pairs to plot.', lower_bound=1, **optional
  )


def main(values: flags.FlagValues) -> None:
  """Writes the sheet of pairs."""
  sections = values.config.to_dict()
  plan = make_plan(sections)
  data_dir = values.data_dir or os.environ.get('ACM_DATA', '')
  with section('sets'):
    sets = data.find_sets(
      sections['sets'],
      os.path.expanduser(data_dir) or None,
      Path(values.workdir or 'runs'),
    )
  with section('data'):
    show.write_sheet(
      plan,
      sets,
      Path(values.out),
      pairs=values.pairs,
      arguments=sections['data'],
    )
  print(f'{values.pairs} pairs plotted in {values.out}')


if __name__ == '__main__':
  sys.exit(command.run(define, main, __doc__))
