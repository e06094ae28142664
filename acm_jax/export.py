"""Exports a trained tracker as a model, or as graphs for other runtimes.

A model consists of config.json and weights.safetensors. Everything that only
training needs is left out. `--checkpoint`, `--init_from` and `--teacher` of all
commands accept the folder of a model.

With the formats onnx, tflite and stablehlo, the folder gets two graphs and
tracker.json, which says how a program tracks with them. `acm-jax track
--runtime` runs the first two without JAX.

Examples:
  acm-jax export --checkpoint runs/siamban_acm@best --out siamban_acm
  acm-jax export --checkpoint siamban_acm --format onnx --out siamban_acm_onnx
"""

import sys
from pathlib import Path

import jax
from absl import flags

from acm_jax import model_flags
from acm_jax.exported.contract import SUFFIXES
from acm_jax.host import command
from acm_jax.host.staging import staged
from acm_jax.training import trained


def define(values: flags.FlagValues) -> None:
  """Defines the command's flags on `values`."""
  model_flags.define(values)
  flags.DEFINE_string(
    'out', None, 'Folder to create.', required=True, flag_values=values
  )
  text = 'Format of the export.'
  flags.DEFINE_enum(
    'format', 'model', ['model', *SUFFIXES], text, flag_values=values
  )
  text = (
    'Type of the numbers in weights.safetensors (float32 once loaded); graphs '
    'are always in float32.'
  )
  flags.DEFINE_enum(
    'dtype', 'float16', ['float16', 'float32'], text, flag_values=values
  )


def main(values: flags.FlagValues) -> None:
  """Writes the folder."""
  write = _model if values.format == 'model' else _graphs
  with staged(Path(values.out)) as folder:
    content = write(values, folder)
    size = sum(path.stat().st_size for path in folder.iterdir())
  print(f'{content} written to {values.out}, {size / 1e6:.1f} MB')


def _model(values: flags.FlagValues, folder: Path) -> str:
  if changes := model_flags.changes(values):
    raise ValueError(
      f'`{min(changes)}`: a model keeps the settings of its config; leave the '
      'flag out, or choose another `format`'
    )
  config, variables = trained.read(values.checkpoint)
  trained.save(folder, config, variables, values.dtype)
  return f'{sum(x.size for x in jax.tree.leaves(variables))} numbers'


def _graphs(values: flags.FlagValues, folder: Path) -> str:
  # Imported on use: a model is exported without the graphs' modules.
  from acm_jax import exporting

  if values['dtype'].present:
    raise ValueError(
      '`dtype`: graphs are always in float32; leave the flag out, or export '
      'with `format` model'
    )
  exporting.write(folder, model_flags.load(values), values.format)
  return f'graphs ({values.format})'


if __name__ == '__main__':
  sys.exit(command.run(define, main, __doc__))
