"""Converts an experiment of pysot, siamban or NanoTrack to a config."""

import pprint
import re
import tempfile
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from acm_jax.host import config_files, text_files
from acm_jax.pysot_configs import keys, network, recipe
from acm_jax.pysot_configs.experiment import Experiment
from acm_jax.trackers.siamrpn.tracker import SiamRpn

# Codebases of the sources of `acm-jax convert` that are whole trackers.
_CODEBASES = {
  'siamrpn': 'pysot',
  'siamban': 'siamban',
  'siamban_acm': 'siamban',
  'nanotrack': 'nanotrack',
}
_SOURCES = {'pysot': 'siamrpn', 'siamban': 'siamban', 'nanotrack': 'nanotrack'}
# Sections that are replaced as a whole, because their keys are names.
_WHOLE = ('sets', 'phases')
# Where the user finds what a key without a counterpart stands for.
_HINTS = {
  'BACKBONE.PRETRAINED': 'convert it, and train with --init_from',
  'CUDA': 'JAX chooses the device',
  'DATASET.VIDEOS_PER_EPOCH': 'set train.pairs_per_epoch',
  'DATASET.*.ANNO': 'acm-jax prepare reads the annotations',
  'DATASET.*.ROOT': 'train with --data_dir',
  'TRAIN.PRETRAINED': 'convert it, and train with --init_from',
  'TRAIN.SNAPSHOT_DIR': 'train with --workdir',
}
# Values that a config leaves out where they are those of the tracker.
_IMPLIED = {
  'tracker.anchor_scales': SiamRpn.scales,
  'tracker.anchor_ratios': SiamRpn.ratios,
}
_TEMPLATE = '''"""Converted experiment.

    acm-jax train --config {name}.py

All values that are not set here are those of the config {base}.
"""

# Values of the YAML file without a counterpart:
{left}

from ml_collections import ConfigDict

from configs import {module}


def get_config(arg: str | None = None) -> ConfigDict:
  """Returns the config, which has no arguments."""
  if arg:
    raise ValueError(f'config argument {{arg!r}} is unknown; there are none')
  config = {module}.get_config({argument})
{changes}  return config
'''
_WITH = '  with config.unlocked(), config.ignore_type():\n'


class Converted(NamedTuple):
  """Config of an experiment.

  Attributes:
    name: Name of the config, without a suffix.
    source: Source of the weights, as in `weights.convert.SOURCES`.
    text: Config, as Python code.
    config: Config, as a dictionary of its sections.
    trains: Whether the file has keys on training.
    left: Values of the YAML file without a counterpart, as lines KEY: VALUE.
  """

  name: str
  source: str
  text: str
  config: dict[str, Any]
  trains: bool
  left: tuple[str, ...]


def convert(
  path: Path, source: str | None = None, gpus: int | None = None
) -> Converted:
  """Converts the YAML file of an experiment.

  The config is that of the package that is nearest to the experiment, with the
  values in which the experiment differs. If the file has no keys on training,
  the recipe is that of the nearest config.

  Args:
    path: YAML file.
    source: Source of the weights. SiamBAN-ACM has the YAML files of SiamBAN, so
      that only `source` can tell it (default: `siamrpn`, `siamban` or
      `nanotrack`, as the file says).
    gpus: Number of GPUs that the experiment is meant for (default: 1).

  Raises:
    OSError: The file does not exist or cannot be read.
    ValueError: The file is malformed, has unknown keys, belongs to another
      source, or defines a network that this library does not have.
  """
  given = Experiment(path)
  source = source or _SOURCES[given.codebase]
  if _CODEBASES.get(source, given.codebase) != given.codebase:
    raise ValueError(
      f'`source`={source}: {path} is an experiment of {given.codebase}; leave '
      'out `source`, or give another file'
    )
  tracker = network.tracker(given)
  if source == 'siamban_acm':
    tracker['fusion'] = 'acm'
  name = source if source in _CODEBASES else _SOURCES[given.codebase]
  base = _base(name, tracker)
  sections = {'tracker': tracker, 'hparams': network.hparams(given)}
  training = recipe.recipe(given, tracker, gpus)
  sections |= training
  changes = _changes(config_files.load(base), sections)
  own = _name(given)
  left = tuple(
    ' '.join(f'{key}: {value!r}{_hint(key)}'.split())
    for key, value in given.left().items()
  )
  text = _text(own, base, changes, left)
  return Converted(own, source, text, _load(text), bool(training), left)


def _base(name: str, tracker: dict[str, Any]) -> str:
  """Returns the name and the argument of the nearest config."""
  arguments = []
  if tracker['backbone'] not in ('resnet50', 'mobilenet_v3_small'):
    arguments.append(f'backbone={tracker["backbone"]}')
  if tracker['fusion'] == 'up_xcorr':
    arguments.append('fusion=up_xcorr')
  return ':'.join(filter(None, (name, ','.join(arguments))))


def _changes(
  base: Mapping[str, Any], sections: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
  """Returns the values that differ from a config; keys are joined by points."""
  whole = {n: v for n, v in sections.items() if n in _WHOLE and v != base[n]}
  parts = {n: v for n, v in sections.items() if n not in _WHOLE}
  ours, theirs = keys.flatten(parts), _IMPLIED | keys.flatten(base)
  return whole | {k: v for k, v in ours.items() if v != theirs.get(k)}


def _name(given: Experiment) -> str:
  """Returns a name that no config of the package has.

  In all codebases, experiments are folders with a config.yaml. Several have the
  same META_ARC.
  """
  path = given.path.resolve()
  name = path.parent.name if path.stem == 'config' else path.stem
  name = re.sub(r'[^A-Za-z0-9_]+', '_', name).strip('_')
  name = name or 'experiment'
  taken = (config_files.folder() / f'{name}.py').exists()
  return f'{name}_yaml' if taken else name


def _hint(key: str) -> str:
  hint = _HINTS.get(re.sub(r'^DATASET\..*\.', 'DATASET.*.', key))
  return f' ({hint})' if hint else ''


def _text(
  name: str, base: str, changes: Mapping[str, Any], left: Sequence[str]
) -> str:
  """Returns the Python code of a config."""
  module, _, argument = base.partition(':')
  lines = [f'config.{key} = {_code(v)}' for key, v in changes.items()]
  return _TEMPLATE.format(
    base=base,
    name=name,
    module=module,
    argument=repr(argument) if argument else '',
    left='\n'.join(f'#   {line}' for line in left or ('none',)),
    changes=_WITH + textwrap.indent('\n'.join(lines), '    ') + '\n'
    if lines
    else '',
  )


def _load(text: str) -> dict[str, Any]:
  """Returns the config that Python code defines."""
  with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / 'converted.py'
    text_files.write(path, text)
    return config_files.load(str(path))


def _code(value: Any) -> str:
  """Returns the Python code of a value."""
  if not isinstance(value, Mapping):
    return repr(value)
  inside = pprint.pformat(dict(value), width=72, sort_dicts=False)
  return f'ConfigDict(\n{textwrap.indent(inside, "  ")}\n)'
