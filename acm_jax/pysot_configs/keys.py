"""Keys of the YAML files of pysot, siamban and NanoTrack, and their defaults.

The official code merges a YAML file into these defaults.

Source: `core/config.py` of the three codebases, and the signatures of the
classes that the sections KWARGS configure.
"""

import fnmatch
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

_CROP = {'SHIFT': 4.0, 'SCALE': 0.05, 'BLUR': 0.0, 'FLIP': 0.0, 'COLOR': 1.0}
# Keys of a data set in the section DATASET, which may have further data sets.
SET = {'ROOT': '', 'ANNO': '', 'FRAME_RANGE': 100, 'NUM_USE': -1}
_COMMON = {
  'META_ARC': '',
  'CUDA': True,
  'TRAIN': {
    'NEG_NUM': 16,
    'POS_NUM': 16,
    'TOTAL_NUM': 64,
    'EXEMPLAR_SIZE': 127,
    'SEARCH_SIZE': 255,
    'BASE_SIZE': 8,
    'OUTPUT_SIZE': 25,
    'RESUME': '',
    'PRETRAINED': '',
    'LOG_DIR': './logs',
    'SNAPSHOT_DIR': './snapshot',
    'EPOCH': 20,
    'START_EPOCH': 0,
    'BATCH_SIZE': 32,
    'NUM_WORKERS': 1,
    'MOMENTUM': 0.9,
    'WEIGHT_DECAY': 1e-4,
    'CLS_WEIGHT': 1.0,
    'LOC_WEIGHT': 1.0,
    'PRINT_FREQ': 20,
    'LOG_GRADS': False,
    'GRAD_CLIP': 10.0,
    'BASE_LR': 0.005,
    'LR': {'TYPE': 'log', 'KWARGS': {'start_lr': 0.03, 'end_lr': 5e-4}},
    'LR_WARMUP': {
      'WARMUP': True,
      'TYPE': 'step',
      'EPOCH': 5,
      'KWARGS': {'start_lr': 0.01, 'step': 10},
    },
  },
  'DATASET': {
    'TEMPLATE': _CROP,
    'SEARCH': _CROP | {'SHIFT': 64.0, 'SCALE': 0.18},
    'NEG': 0.2,
    'GRAY': 0.0,
    'VID': SET | {'NUM_USE': 100_000},
    'YOUTUBEBB': SET | {'FRAME_RANGE': 3},
    'COCO': SET | {'FRAME_RANGE': 1},
    'DET': SET | {'FRAME_RANGE': 1},
  },
  'BACKBONE': {
    'TYPE': 'res50',
    'PRETRAINED': '',
    'TRAIN_LAYERS': ['layer2', 'layer3', 'layer4'],
    'LAYERS_LR': 0.1,
    'TRAIN_EPOCH': 10,
  },
  'ADJUST': {
    'ADJUST': True,
    'TYPE': 'AdjustAllLayer',
    'KWARGS': {'center_size': 7},
  },
  'TRACK': {
    'EXEMPLAR_SIZE': 127,
    'INSTANCE_SIZE': 255,
    'BASE_SIZE': 8,
    'CONTEXT_AMOUNT': 0.5,
  },
}
_PYSOT = {
  'TRAIN': {
    'THR_HIGH': 0.6,
    'THR_LOW': 0.3,
    'LOC_WEIGHT': 1.2,
    'MASK_WEIGHT': 1.0,
  },
  'DATASET': {
    'NAMES': ['VID', 'COCO', 'DET', 'YOUTUBEBB'],
    'VIDEOS_PER_EPOCH': 600_000,
  },
  'RPN': {'TYPE': 'MultiRPN', 'KWARGS': {'anchor_num': 5, 'weighted': False}},
  'MASK': {'MASK': False, 'TYPE': 'MaskCorr'},
  'REFINE': {'REFINE': False, 'TYPE': 'Refine'},
  'ANCHOR': {'STRIDE': 8, 'RATIOS': [0.33, 0.5, 1, 2, 3], 'SCALES': [8.0]},
  'TRACK': {
    'TYPE': 'SiamRPNTracker',
    'PENALTY_K': 0.04,
    'WINDOW_INFLUENCE': 0.44,
    'LR': 0.4,
    'LOST_INSTANCE_SIZE': 831,
    'CONFIDENCE_LOW': 0.85,
    'CONFIDENCE_HIGH': 0.998,
    'MASK_THERSHOLD': 0.3,
    'MASK_OUTPUT_SIZE': 127,
  },
}
_SIAMBAN = {
  'DATASET': {
    'NAMES': ['VID', 'YOUTUBEBB', 'DET', 'COCO', 'GOT10K', 'LASOT'],
    'VIDEOS_PER_EPOCH': 1_000_000,
    'YOUTUBEBB': {'NUM_USE': 200_000},
    'COCO': {'NUM_USE': 100_000},
    'DET': {'NUM_USE': 200_000},
    'GOT10K': SET | {'NUM_USE': 200_000},
    'LASOT': SET | {'NUM_USE': 200_000},
  },
  'BAN': {'BAN': False, 'TYPE': 'MultiBAN', 'KWARGS': {'weighted': False}},
  'POINT': {'STRIDE': 8},
  'TRACK': {
    'TYPE': 'SiamBANTracker',
    'PENALTY_K': 0.14,
    'WINDOW_INFLUENCE': 0.45,
    'LR': 0.3,
  },
}
_NANOTRACK = {
  'TRAIN': {'NUM_CONVS': 4, 'NUM_WORKERS': 8},
  'MASK': {'MASK': False},
  'DATASET': {
    'NAMES': ['VID', 'YOUTUBEBB', 'DET', 'COCO', 'GOT', 'LASOT'],
    'VIDEOS_PER_EPOCH': 600_000,
    'YOUTUBEBB': {'NUM_USE': 100_000},
    'COCO': {'NUM_USE': 100_000},
    'DET': {'NUM_USE': 100_000},
    'GOT': SET | {'NUM_USE': 100_000},
    'LASOT': SET | {'NUM_USE': 100_000},
  },
  'BACKBONE': {'TRAIN_LAYERS': []},
  'BAN': {'BAN': False, 'TYPE': 'MultiBAN'},
  'POINT': {'STRIDE': 8},
  'TRACK': {
    'TYPE': 'NanoTracker',
    'PENALTY_K': 0.16,
    'WINDOW_INFLUENCE': 0.46,
    'LR': 0.34,
    'OUTPUT_SIZE': 16,
  },
}
# Keys without a default, or whose default does not show the type, each with an
# example of its values.
_RATES = {'end_lr': 1.0, 'step': 1, 'mult': 0.1, 'steps': [1]}
_EXAMPLES = {
  'TRAIN': {
    'LR': {'KWARGS': _RATES},
    'LR_WARMUP': {'KWARGS': _RATES},
  },
  'BACKBONE': {
    'TRAIN_LAYERS': ['layer2'],
    'KWARGS': {'used_layers': [2], 'width_mult': 1.0},
  },
  'ADJUST': {'KWARGS': {'in_channels': [1], 'out_channels': [1]}},
}
_BAN_EXAMPLES = {
  'BAN': {
    'KWARGS': {
      'in_channels': [1],
      'out_channels': 1,
      'feature_in': 1,
      'cls_out_channels': 2,
      'weighted': False,
    },
  },
}
_PYSOT_EXAMPLES = {
  'RPN': {
    'KWARGS': {'in_channels': [1], 'out_channels': 1, 'feature_in': 1},
    # The official file of the long-term tracker has this key and the next two,
    # which the code does not know.
    'WEIGHTED': False,
  },
  'BACKBONE': {'CHANNELS': [1]},
  'ADJUST': {'ADJUST_CHANNEL': [1]},
  'ANCHOR': {'ANCHOR_NUM': 5},
}


# Keys under which the official code accepts any key.
OPEN = ('MASK.KWARGS.',)
# Keys whose values the config has, or that are checked against it. META_ARC
# only names an experiment.
_USED = """
  META_ARC
  BACKBONE.TYPE BACKBONE.KWARGS.* BACKBONE.TRAIN_LAYERS BACKBONE.TRAIN_EPOCH
  BACKBONE.LAYERS_LR ADJUST.ADJUST ADJUST.TYPE ADJUST.KWARGS.* ANCHOR.*
  RPN.TYPE RPN.KWARGS.* BAN.BAN BAN.TYPE BAN.KWARGS.* POINT.STRIDE
  TRACK.EXEMPLAR_SIZE TRACK.INSTANCE_SIZE TRACK.BASE_SIZE TRACK.OUTPUT_SIZE
  TRACK.CONTEXT_AMOUNT TRACK.PENALTY_K TRACK.WINDOW_INFLUENCE TRACK.LR
  TRACK.LOST_INSTANCE_SIZE TRACK.CONFIDENCE_LOW TRACK.CONFIDENCE_HIGH
  TRAIN.SEARCH_SIZE TRAIN.BASE_SIZE TRAIN.OUTPUT_SIZE TRAIN.EPOCH
  TRAIN.BATCH_SIZE TRAIN.MOMENTUM TRAIN.WEIGHT_DECAY TRAIN.GRAD_CLIP
  TRAIN.PRINT_FREQ TRAIN.BASE_LR TRAIN.LR.KWARGS.start_lr
  TRAIN.LR.KWARGS.end_lr TRAIN.LR_WARMUP.WARMUP TRAIN.LR_WARMUP.EPOCH
  TRAIN.LR_WARMUP.KWARGS.start_lr DATASET.NAMES DATASET.TEMPLATE.*
  DATASET.SEARCH.* DATASET.NEG DATASET.GRAY DATASET.*.NUM_USE
  DATASET.*.FRAME_RANGE
"""
USED = {
  'pysot': (*_USED.split(), 'TRAIN.LOC_WEIGHT'),
  'siamban': tuple(_USED.split()),
  'nanotrack': tuple(_USED.split()),
}
# Keys that are not used, with the values that need no counterpart. For other
# keys that are not used, it is the value of `DEFAULTS`.
FIXED = {
  'TRACK.TYPE': ('SiamRPNTracker', 'SiamRPNLTTracker'),
  'TRAIN.LR_WARMUP.KWARGS.step': (1,),
}
# Keys that are not used if their values are those of other keys.
SAME = {
  'TRAIN.EXEMPLAR_SIZE': 'TRACK.EXEMPLAR_SIZE',
  'TRAIN.LR_WARMUP.KWARGS.end_lr': 'TRAIN.LR.KWARGS.start_lr',
}
_POSITIVE = """
  TRACK.EXEMPLAR_SIZE TRACK.INSTANCE_SIZE TRACK.LOST_INSTANCE_SIZE
  ANCHOR.RATIOS ANCHOR.SCALES ANCHOR.STRIDE POINT.STRIDE *.width_mult
  *.in_channels *.out_channels *.feature_in *.used_layers
  TRAIN.EXEMPLAR_SIZE TRAIN.SEARCH_SIZE TRAIN.EPOCH TRAIN.BATCH_SIZE
  TRAIN.PRINT_FREQ TRAIN.GRAD_CLIP TRAIN.BASE_LR *.start_lr *.end_lr
  *.FRAME_RANGE
"""
_FRACTIONS = """
  TRACK.WINDOW_INFLUENCE TRACK.LR TRACK.CONFIDENCE_LOW TRACK.CONFIDENCE_HIGH
  TRAIN.MOMENTUM DATASET.NEG DATASET.GRAY *.BLUR *.FLIP *.COLOR
"""
# Keys whose value -1 means that all are used.
_COUNTS = '*.NUM_USE DATASET.VIDEOS_PER_EPOCH'


def matches(key: str, patterns: Iterable[str]) -> bool:
  """Returns whether a key matches a pattern, in which `*` is any text."""
  return any(fnmatch.fnmatchcase(key, pattern) for pattern in patterns)


def limits(key: str) -> tuple[str, Callable[[float], bool]]:
  """Returns the range of a key's numbers in words, and a check of a number."""
  if matches(key, _POSITIVE.split()):
    return 'above 0', lambda x: 0 < x < math.inf
  if matches(key, _FRACTIONS.split()):
    return 'from 0 to 1', lambda x: 0 <= x <= 1
  if matches(key, _COUNTS.split()):
    return 'above 0, or -1 for all', lambda x: 0 < x < math.inf or x == -1
  return 'of 0 or more', lambda x: 0 <= x < math.inf


def flatten(tree: Mapping, prefix: str = '') -> dict[str, Any]:
  """Joins the keys of nested mappings: `{'TRAIN': {'EPOCH': 20}}` has the key
  `TRAIN.EPOCH`."""
  flat = {}
  for key, value in tree.items():
    if isinstance(value, Mapping):
      flat |= flatten(value, f'{prefix}{key}.')
    else:
      flat[f'{prefix}{key}'] = value
  return flat


# Defaults of each codebase; keys are joined by points.
DEFAULTS = {
  codebase: flatten(_COMMON) | flatten(own)
  for codebase, own in (
    ('pysot', _PYSOT),
    ('siamban', _SIAMBAN),
    ('nanotrack', _NANOTRACK),
  )
}
# Examples of the values of all keys of each codebase.
EXAMPLES = {
  codebase: DEFAULTS[codebase] | flatten(_EXAMPLES) | flatten(own)
  for codebase, own in (
    ('pysot', _PYSOT_EXAMPLES),
    ('siamban', _BAN_EXAMPLES),
    ('nanotrack', _BAN_EXAMPLES),
  )
}
