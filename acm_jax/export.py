"""Exports a trained tracker as a model: config.json and weights.safetensors.

Everything that only training needs is left out. `--checkpoint`, `--init_from`
and `--teacher` of all commands accept the folder of a model.

Example:
  acm-jax export --checkpoint runs/siamban_acm@best --out siamban_acm
"""

import sys
from pathlib import Path

import jax
from absl import flags

from acm_jax.host import command
from acm_jax.host.staging import staged
from acm_jax.training import trained


def define(values: flags.FlagValues) -> None:
  """Defines the command's flags on `values`."""
  required = {'required': True, 'flag_values': values}
  checkpoint = (
    'Folder of a training run or of a model; DIR@STEP or DIR@best selects a '
    'checkpoint.'
  )
  flags.DEFINE_string('checkpoint', None, checkpoint, **required)
  flags.DEFINE_string('out', None, 'Folder to create.', **required)
  flags.DEFINE_enum(
    'dtype',
    'float16',
    ['float16', 'float32'],
    'Type of the numbers in weights.safetensors (float32 once loaded).',
    flag_values=values,
  )


def main(values: flags.FlagValues) -> None:
  """Writes the model."""
  config, variables = trained.read(values.checkpoint)
  with staged(Path(values.out)) as folder:
    trained.save(folder, config, variables, values.dtype)
    size = sum(path.stat().st_size for path in folder.iterdir())
  numbers = sum(x.size for x in jax.tree.leaves(variables))
  print(f'{numbers} numbers written to {values.out}, {size / 1e6:.1f} MB')


if __name__ == '__main__':
  sys.exit(command.run(define, main, __doc__))
