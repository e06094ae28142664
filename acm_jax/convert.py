"""Carries PyTorch weights over to a tracker of ours, strictly.

Every key is used and every parameter filled, or nothing is written. Of a
backbone alone (resnet, mobilenet) what it does not need is listed; `train
--init_from` takes it.

Example:
  python -m acm_jax.convert --source siamban_acm --weights model.pth \\
    --config configs/siamban_acm.py --out runs/siamban_acm_official
"""

import sys
from pathlib import Path

import jax
from absl import flags
from ml_collections import config_flags

from acm_jax import trackers
from acm_jax.host import command
from acm_jax.host.staging import staged
from acm_jax.training import checkpoints
from acm_jax.weights import convert, files, verify


def define(values: flags.FlagValues) -> None:
  """Defines the command's flags on `values`."""
  text = {'flag_values': values, 'required': True}
  flags.DEFINE_enum(
    'source',
    None,
    list(convert.SOURCES),
    'Codebase that the weights come from.',
    **text,
  )
  flags.DEFINE_string(
    'weights', None, 'File of the weights: .pth, .safetensors or .npz.', **text
  )
  config_flags.DEFINE_config_file(
    'config', None, 'Config file of the tracker.', flag_values=values
  )
  flags.mark_flag_as_required('config', flag_values=values)
  flags.DEFINE_string('out', None, 'Output folder.', **text)
  flags.DEFINE_string(
    'verify',
    None,
    '.npz file of inputs and expected outputs to compare with.',
    flag_values=values,
  )


def main(values: flags.FlagValues) -> None:
  """Converts what the flags name."""
  config = values.config.to_dict()
  figures = verify.read(Path(values.verify)) if values.verify else None
  weights = files.read(Path(values.weights))
  variables, left = convert.convert(
    values.source, weights.arrays, config['tracker']
  )
  with staged(Path(values.out)) as folder:
    checkpoints.save_variables(folder, config, variables)
  print(f'{len(jax.tree.leaves(variables))} arrays written to {values.out}')
  if ignored := (*left, *weights.ignored):
    print(f'ignored: {", ".join(ignored)}')
  if figures:
    tracker = trackers.make(**config['tracker'])
    errors = verify.errors(tracker, variables, figures)
    print(verify.described(errors))
    verify.check(errors)


if __name__ == '__main__':
  sys.exit(command.run(define, main, __doc__))
