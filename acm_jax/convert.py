"""Converts PyTorch weights to a model.

The conversion is strict: nothing is written if a key of the weights has no
place in the tracker, if a parameter of the tracker gets no value, or if the
outputs differ from those in the file of `--verify`. Only modules that the
official network never uses are ignored.

ImageNet classifiers (resnet, mobilenet) become a backbone for
`acm-jax train --init_from`. Modules that only the classifier has are ignored.
The names of all ignored modules are printed.

With `--config_yaml`, the YAML file of an experiment of pysot, siamban or
NanoTrack becomes a config, NAME.py, where NAME is the folder of config.yaml.
All its values without a counterpart are printed. With `--weights`, OUT becomes
the model with the hyper-parameters of the file.

Examples:
  acm-jax convert --source siamban_acm --weights model.pth \\
    --config siamban_acm --out runs/siamban_acm_official
  acm-jax convert --config_yaml siamban_r50_l234/config.yaml --gpus 3
  acm-jax convert --config_yaml config.yaml --weights model.pth --out runs/model
"""

import sys
from pathlib import Path
from typing import Any

import jax
from absl import flags

from acm_jax import trackers
from acm_jax.host import command, config_files, names, text_files
from acm_jax.host.staging import replacing, staged
from acm_jax.pysot_configs import convert as experiments
from acm_jax.pysot_configs.convert import Converted
from acm_jax.training import plan, trained
from acm_jax.weights import convert, files, verify


def define(values: flags.FlagValues) -> None:
  """Defines the command's flags on `values`."""
  flags.DEFINE_enum(
    'source',
    None,
    list(convert.SOURCES),
    'Codebase that the weights come from. The file of `--config_yaml` says it, '
    'except for SiamBAN-ACM, whose files are those of SiamBAN.',
    flag_values=values,
  )
  names.allow_spellings(values, 'source', convert.SOURCES)
  config_files.define(values, required=False)
  texts = {
    'weights': 'Weights file, of torch.save, safetensors or np.savez, under '
    'any name.',
    'config_yaml': 'YAML file of an experiment of pysot, siamban or NanoTrack, '
    'instead of `--config`.',
    'out': 'Output folder (default without `--weights`: the working folder).',
    'verify': '.npz file of inputs and expected outputs, with which the '
    'outputs of the converted model are compared.',
  }
  for name, text in texts.items():
    flags.DEFINE_string(name, None, text, flag_values=values)
  flags.DEFINE_integer(
    'gpus',
    None,
    'Number of GPUs that the YAML file is meant for (default: 1). Its '
    'BATCH_SIZE is that of one GPU.',
    lower_bound=1,
    flag_values=values,
  )


def main(values: flags.FlagValues) -> None:
  """Converts the weights, the YAML file, or both."""
  _check(values)
  if not values.config_yaml:
    _convert_weights(values, values.source, values.config.to_dict())
    return
  converted = experiments.convert(
    Path(values.config_yaml), values.source, values.gpus
  )
  try:
    plan.make_plan(converted.config)
  except ValueError as error:
    raise ValueError(
      f'{values.config_yaml}: cannot be trained with: {error}'
    ) from error
  if values.weights:
    _convert_weights(values, converted.source, converted.config, converted)
  else:
    path = _write(Path(values.out or '.'), converted)
    print(f'{path} written: acm-jax train --config {path}')
  if converted.trains and values.gpus is None:
    size = converted.config['train']['batch_size']
    print(f'TRAIN.BATCH_SIZE is of one GPU: batch_size={size}; set --gpus')
  if converted.left:
    print('without a counterpart:')
    print(*(f'  {line}' for line in converted.left), sep='\n')


def _check(values: flags.FlagValues) -> None:
  """Checks that the flags can be combined."""
  if bool(values.config) == bool(values.config_yaml):
    raise ValueError('give either `config` or `config_yaml`')
  if values.gpus and not values.config_yaml:
    raise ValueError('`gpus`: has an effect with `config_yaml` only')
  if not values.config_yaml:
    needed = ('source', 'weights', 'out')
  else:
    needed = ('out',) if values.weights else ()
  for name in needed:
    if not values[name].value:
      raise ValueError(f'`{name}` missing: see --help')
  if values.verify and not values.weights:
    raise ValueError('`verify`: give `weights` too')


def _write(folder: Path, converted: Converted) -> Path:
  """Writes the config of an experiment; returns the path of the file."""
  path = folder / f'{converted.name}.py'
  if path.exists():
    raise ValueError(f'{path}: already exists; choose another `out`')
  folder.mkdir(parents=True, exist_ok=True)
  with replacing(path) as partial:
    text_files.write(partial, converted.text)
  return path


def _convert_weights(
  values: flags.FlagValues,
  source: str,
  config: dict[str, Any],
  converted: Converted | None = None,
) -> None:
  """Converts the weights, and checks the model's outputs if `verify` is set.

  Args:
    values: Flags of the command.
    source: Source of the weights.
    config: Config of the model.
    converted: Experiment whose config the model's folder gets, if any.
  """
  if 'tracker' not in config:
    raise ValueError(
      '`config`: has no section tracker; choose the config of the network'
    )
  reference = verify.read(Path(values.verify)) if values.verify else None
  weights = files.read(Path(values.weights))
  variables, unused = convert.convert(source, weights.arrays, config['tracker'])
  with staged(Path(values.out)) as folder:
    trained.save(folder, config, variables)
    if converted:
      _write(folder, converted)
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
