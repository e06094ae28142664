"""Converts PyTorch weights to a model.

The conversion is strict: nothing is written if a key of the weights has no
place in the tracker, if a parameter of the tracker gets no value, or if the
outputs differ from those in the file of `--verify`. Only modules that the
official network never uses are ignored.

ImageNet classifiers (resnet, mobilenet) become a backbone for
`acm-jax train --init_from`. Modules that only the classifier has are ignored.
The names of all ignored modules are printed.

Example:
  acm-jax convert --source siamban_acm --weights model.pth \\
    --config siamban_acm --out runs/siamban_acm_official
"""

import sys
from pathlib import Path

import jax
from absl import flags

from acm_jax import trackers
from acm_jax.host import command, config_files, names
from acm_jax.host.staging import staged
from acm_jax.training import trained
from acm_jax.weights import convert, files, verify


def define(values: flags.FlagValues) -> None:
  """Defines the command's flags on `values`."""
  required = {'flag_values': values, 'required': True}
  flags.DEFINE_enum(
    'source',
    None,
    list(convert.SOURCES),
    'Codebase that the weights come from.',
    **required,
  )
  names.allow_spellings(values, 'source', convert.SOURCES)
  flags.DEFINE_string(
    'weights',
    None,
    'Weights file, of torch.save, safetensors or np.savez, under any name.',
    **required,
  )
  config_files.define(values)
  flags.DEFINE_string('out', None, 'Output folder.', **required)
  flags.DEFINE_string(
    'verify',
    None,
    '.npz file of inputs and expected outputs, with which the outputs of the '
    'converted model are compared.',
    flag_values=values,
  )


def main(values: flags.FlagValues) -> None:
  """Converts the weights, and checks the model's outputs if `verify` is set."""
  config = values.config.to_dict()
  if 'tracker' not in config:
    raise ValueError(
      '`config`: has no section tracker; choose the config of the network'
    )
  reference = verify.read(Path(values.verify)) if values.verify else None
  weights = files.read(Path(values.weights))
  variables, unused = convert.convert(
    values.source, weights.arrays, config['tracker']
  )
  with staged(Path(values.out)) as folder:
    trained.save(folder, config, variables)
    if reference:
      tracker = trackers.make(**config['tracker'])
      errors = verify.errors(tracker, variables, reference)
      print(verify.describe(errors))
      verify.check(errors)
  print(f'{len(jax.tree.leaves(variables))} arrays written to {values.out}')
  if weights.entry:
    print(f'entry of the file: {weights.entry}')
  if ignored := (*unused, *weights.ignored):
    print(f'ignored: {", ".join(ignored)}')


if __name__ == '__main__':
  sys.exit(command.run(define, main, __doc__))
