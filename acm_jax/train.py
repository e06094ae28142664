"""Trains a tracker, or goes on with what the folder of a run holds.

The folder gets config.json, checkpoints/, metrics.jsonl and TensorBoard
events. After a signal it holds a checkpoint, and the same command goes on. Of
the checkpoints the newest are kept, and the best that was validated, DIR@best.

Example:
  python -m acm_jax.train --config configs/siamban_acm.py:quickstart \\
    --workdir runs/quickstart
"""

import os
import sys
from pathlib import Path

from absl import flags
from ml_collections import config_flags

from acm_jax.host import command
from acm_jax.training import loop, processes


def define(values: flags.FlagValues) -> None:
  """Defines the command's flags on `values`."""
  config_flags.DEFINE_config_file(
    'config',
    None,
    'Config file, or the name of one that comes with the package; FILE:ARG '
    'gives it an argument, --config.a.b=VALUE changes a value of it.',
    flag_values=values,
    lock_config=True,
  )
  folders = {
    'workdir': 'Folder of the run (default: runs/<name of the config>).',
    'data_dir': 'Folder of the prepared data sets (default: $ACM_DATA).',
    'init_from': 'Run or conversion whose weights to begin with.',
    'teacher': 'Run or conversion to imitate, by the section teacher.',
    'validation_dir': 'Root of the benchmark of the section validation.',
  }
  for name, text in folders.items():
    flags.DEFINE_string(name, None, text, flag_values=values)
  flags.mark_flag_as_required('config', flag_values=values)


def main(values: flags.FlagValues) -> None:
  """Trains as the flags say."""
  name = config_flags.get_config_filename(values['config'])
  processes.join()
  data_dir = values.data_dir or os.environ.get('ACM_DATA')
  loop.train(
    values.config,
    Path(values.workdir or Path('runs', Path(name.partition(':')[0]).stem)),
    data_dir or None,
    values.init_from,
    values.teacher,
    values.validation_dir,
  )


if __name__ == '__main__':
  sys.exit(command.run(define, main, __doc__))
