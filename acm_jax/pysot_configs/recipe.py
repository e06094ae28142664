"""Converts the keys of an experiment that define the training."""

import re
from typing import Any

from acm_jax import trackers
from acm_jax.pysot_configs.experiment import Experiment

# Keys that only training needs. Without any of them, the experiment has no
# recipe.
_PREFIXES = ('TRAIN.', 'DATASET.', 'BACKBONE.TRAIN', 'BACKBONE.LAYERS_LR')
# Names of the data sets in the three codebases, and in this library.
_SETS = {
  'COCO': 'coco',
  'DET': 'imagenet_det',
  'GOT': 'got10k',
  'GOT10K': 'got10k',
  'LASOT': 'lasot',
  'VID': 'imagenet_vid',
  'YOUTUBEBB': 'youtube_bb',
}
# Beginnings of the names of modules in our backbones, for layers that the
# official backbones call otherwise.
_LAYERS = {'bn1': 'stem', 'conv1': 'stem', 'layer0': 'stem', 'features': ''}


def recipe(
  given: Experiment, tracker: dict[str, Any], gpus: int | None
) -> dict[str, dict[str, Any]]:
  """Returns the values of the sections on training.

  Args:
    given: Experiment.
    tracker: Section `tracker`.
    gpus: Number of GPUs that the experiment is meant for (default: 1).

  Returns:
    A dictionary from the names of sections to their values; empty if the file
    has no keys on training.

  Raises:
    ValueError: A value cannot be converted.
  """
  if not given.gives(*_PREFIXES):
    if gpus:
      raise ValueError(
        f'`gpus`={gpus}: {given.path} has no keys on training; leave out `gpus`'
      )
    return {}
  gpus = gpus or 1
  search_size = given.get('TRAIN.SEARCH_SIZE')
  differs = search_size != tracker['search_size']
  return {
    'sets': _sets(given),
    'data': {'negative': float(given.get('DATASET.NEG'))},
    'augment': {
      'template': _ranges(given, 'TEMPLATE'),
      'search': _ranges(given, 'SEARCH'),
      'grey': float(given.get('DATASET.GRAY')),
    },
    'optimizer': {
      'momentum': float(given.get('TRAIN.MOMENTUM')),
      'weight_decay': float(given.get('TRAIN.WEIGHT_DECAY')),
      'clip_norm': float(given.get('TRAIN.GRAD_CLIP')),
    },
    'schedule': _schedule(given),
    'phases': _phases(given, tracker),
    'train': {
      'epochs': given.get('TRAIN.EPOCH'),
      **_pairs(given),
      'batch_size': gpus * given.get('TRAIN.BATCH_SIZE'),
      'search_size': search_size if differs else 0,
      # The official code sums the gradients of the GPUs, each of which has
      # statistics of its own.
      'norm_groups': gpus,
      'gradient_factor': float(gpus),
    },
    'log': {'every': given.get('TRAIN.PRINT_FREQ')},
  }


def _pairs(given: Experiment) -> dict[str, int]:
  """Returns the pairs per epoch, unless the official code counts its videos."""
  count = given.get('DATASET.VIDEOS_PER_EPOCH')
  return {'pairs_per_epoch': count} if count > 0 else {}


def _sets(given: Experiment) -> dict[str, dict[str, int]]:
  found = {}
  for name in given.get('DATASET.NAMES'):
    uses = given.get(f'DATASET.{name}.NUM_USE', -1)
    gap = given.get(f'DATASET.{name}.FRAME_RANGE', 100)
    if name not in _SETS and not given.gives(f'DATASET.{name}.'):
      raise given.error('DATASET.NAMES', f'DATASET has no section {name}')
    found[_SETS.get(name, name.lower())] = {'num_use': uses, 'gap': gap}
  return found


def _ranges(given: Experiment, crop: str) -> dict[str, float]:
  names = ('shift', 'scale', 'color', 'blur', 'flip')
  return {n: float(given.get(f'DATASET.{crop}.{n.upper()}')) for n in names}


def _schedule(given: Experiment) -> dict[str, Any]:
  """Returns the learning rates of the head.

  The official code multiplies all rates by BASE_LR, divided by the first rate
  after the warm-up.
  """
  peak = given.get('TRAIN.LR.KWARGS.start_lr')
  last = given.get('TRAIN.LR.KWARGS.end_lr')
  first, epochs = peak, 0
  if given.get('TRAIN.LR_WARMUP.WARMUP'):
    first = given.get('TRAIN.LR_WARMUP.KWARGS.start_lr')
    epochs = given.get('TRAIN.LR_WARMUP.EPOCH')
  base = given.get('TRAIN.BASE_LR')

  def scaled(rate: float) -> float:
    return float(rate if base == peak else rate * base / peak)

  return {
    'warmup_epochs': epochs,
    'first_rate': scaled(first),
    'peak_rate': scaled(peak),
    'last_rate': scaled(last),
  }


def _phases(given: Experiment, tracker: dict[str, Any]) -> dict[str, Any]:
  """Returns phases that freeze the backbone, and then train some layers."""
  begin = given.get('BACKBONE.TRAIN_EPOCH')
  layers = given.get('BACKBONE.TRAIN_LAYERS')
  rate = float(given.get('BACKBONE.LAYERS_LR'))
  frozen = ('backbone/', 0.0)
  phases = {}
  if begin > 0 or not layers:
    phases['frozen'] = {'from_epoch': 0, 'rates': (frozen, ('', 1.0))}
  if layers and begin < given.get('TRAIN.EPOCH'):
    pattern = _pattern(given, layers, tracker)
    rest = () if pattern == 'backbone/' else (frozen,)
    phases['unfrozen'] = {
      'from_epoch': max(begin, 0),
      'rates': ((pattern, rate), *rest, ('', 1.0)),
    }
  return phases


def _pattern(
  given: Experiment, layers: list[str], tracker: dict[str, Any]
) -> str:
  """Returns a regular expression for the parameters of official layers."""
  shapes = trackers.shapes(trackers.make(**tracker))
  modules = shapes['params']['backbone']
  prefixes = sorted({_LAYERS.get(layer, layer) for layer in layers})
  for prefix in prefixes:
    if not any(module.startswith(prefix) for module in modules):
      raise given.error(
        'BACKBONE.TRAIN_LAYERS', f'the backbone has no layer {prefix}'
      )
  if all(module.startswith(tuple(prefixes)) for module in modules):
    return 'backbone/'
  if all(re.fullmatch(r'layer\d', prefix) for prefix in prefixes):
    return f'backbone/layer[{"".join(prefix[-1] for prefix in prefixes)}]'
  return f'backbone/({"|".join(prefixes)})'
