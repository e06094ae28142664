"""YAML files with the keys of the official experiments."""

import yaml

CROPS = {
  'TEMPLATE': {
    'SHIFT': 4,
    'SCALE': 0.05,
    'BLUR': 0.0,
    'FLIP': 0.0,
    'COLOR': 1.0,
  },
  'SEARCH': {
    'SHIFT': 64,
    'SCALE': 0.18,
    'BLUR': 0.2,
    'FLIP': 0.0,
    'COLOR': 1.0,
  },
}


def rates(first, peak, last):
  """Returns the keys of a warm-up of five epochs, and of the rates after it."""
  warmup = {'start_lr': first, 'end_lr': peak, 'step': 1}
  return {
    'LR': {'TYPE': 'log', 'KWARGS': {'start_lr': peak, 'end_lr': last}},
    'LR_WARMUP': {'TYPE': 'step', 'EPOCH': 5, 'KWARGS': warmup},
  }


def sizes(instance=255, base=8):
  return {
    'EXEMPLAR_SIZE': 127,
    'INSTANCE_SIZE': instance,
    'BASE_SIZE': base,
    'CONTEXT_AMOUNT': 0.5,
  }


ANCHOR = {
  'STRIDE': 8,
  'RATIOS': [0.33, 0.5, 1, 2, 3],
  'SCALES': [8],
  'ANCHOR_NUM': 5,
}
RESNET = {
  'BACKBONE': {
    'TYPE': 'resnet50',
    'KWARGS': {'used_layers': [2, 3, 4]},
    'PRETRAINED': 'pretrained_models/resnet50.model',
    'TRAIN_LAYERS': ['layer2', 'layer3', 'layer4'],
    'TRAIN_EPOCH': 10,
    'LAYERS_LR': 0.1,
  },
  'ADJUST': {
    'ADJUST': True,
    'TYPE': 'AdjustAllLayer',
    'KWARGS': {
      'in_channels': [512, 1024, 2048],
      'out_channels': [256, 256, 256],
    },
  },
}
# SiamRPN++ as it is trained on several GPUs.
SIAMRPN = {
  'META_ARC': 'siamrpn_r50_l234_dwxcorr',
  **RESNET,
  'RPN': {
    'TYPE': 'MultiRPN',
    'KWARGS': {
      'anchor_num': 5,
      'in_channels': [256, 256, 256],
      'weighted': True,
    },
  },
  'MASK': {'MASK': False},
  'ANCHOR': ANCHOR,
  'TRACK': {
    'TYPE': 'SiamRPNTracker',
    'PENALTY_K': 0.04,
    'WINDOW_INFLUENCE': 0.44,
    'LR': 0.33,
    **sizes(),
  },
  'TRAIN': {
    'EPOCH': 20,
    'START_EPOCH': 0,
    'BATCH_SIZE': 28,
    'BASE_LR': 0.005,
    'CLS_WEIGHT': 1.0,
    'LOC_WEIGHT': 1.2,
    'RESUME': '',
    **rates(0.001, 0.005, 0.0005),
  },
  'DATASET': {
    'NAMES': ['VID', 'YOUTUBEBB', 'COCO', 'DET'],
    **CROPS,
    'NEG': 0.2,
    'GRAY': 0.0,
  },
}
# The tracker with AlexNet, as it is published for tracking.
ALEXNET = {
  'META_ARC': 'siamrpn_alex_dwxcorr',
  'BACKBONE': {'TYPE': 'alexnetlegacy', 'KWARGS': {'width_mult': 1.0}},
  'ADJUST': {'ADJUST': False},
  'RPN': {
    'TYPE': 'DepthwiseRPN',
    'KWARGS': {'anchor_num': 5, 'in_channels': 256, 'out_channels': 256},
  },
  'MASK': {'MASK': False},
  'ANCHOR': ANCHOR,
  'TRACK': {
    'TYPE': 'SiamRPNTracker',
    'PENALTY_K': 0.16,
    'WINDOW_INFLUENCE': 0.4,
    'LR': 0.3,
    **sizes(287, 0),
  },
}
SIAMBAN = {
  'META_ARC': 'siamban_r50_l234',
  **RESNET,
  'BAN': {
    'BAN': True,
    'TYPE': 'MultiBAN',
    'KWARGS': {
      'in_channels': [256, 256, 256],
      'cls_out_channels': 2,
      'weighted': True,
    },
  },
  'POINT': {'STRIDE': 8},
  'TRACK': {
    'TYPE': 'SiamBANTracker',
    'WINDOW_INFLUENCE': 0.45,
    'PENALTY_K': 0.02,
    'LR': 0.47,
    **sizes(),
  },
  'TRAIN': {'BATCH_SIZE': 28, **rates(0.001, 0.005, 0.00005)},
  'DATASET': {
    'NAMES': ['VID', 'YOUTUBEBB', 'COCO', 'DET', 'GOT10K', 'LASOT'],
    'VIDEOS_PER_EPOCH': 1_000_000,
    **CROPS,
  },
}
NANOTRACK = {
  'META_ARC': 'nanotrack',
  'BACKBONE': {
    'TYPE': 'mobilenetv3_small_v3',
    'KWARGS': {'used_layers': [4]},
    'TRAIN_LAYERS': ['features'],
    'TRAIN_EPOCH': 10,
    'LAYERS_LR': 0.1,
  },
  'ADJUST': {'ADJUST': True, 'TYPE': 'AdjustLayer'},
  'BAN': {
    'BAN': True,
    'TYPE': 'DepthwiseBAN',
    'KWARGS': {'in_channels': 96, 'out_channels': 96},
  },
  'CUDA': True,
  'POINT': {'STRIDE': 16},
  'TRACK': {
    'TYPE': 'NanoTracker',
    'WINDOW_INFLUENCE': 0.455,
    'PENALTY_K': 0.138,
    'LR': 0.348,
    **sizes(base=7),
    'OUTPUT_SIZE': 15,
  },
  'TRAIN': {
    'EPOCH': 50,
    'BATCH_SIZE': 64,
    'NUM_CONVS': 4,
    'OUTPUT_SIZE': 15,
    **rates(0.001, 0.005, 0.0005),
  },
  'DATASET': {
    'NAMES': ['GOT', 'VID', 'YOUTUBEBB', 'COCO', 'DET', 'LASOT'],
    'VIDEOS_PER_EPOCH': 400_000,
    **CROPS,
  },
}


def changed(tree, **changes):
  """Returns a copy of nested keys with other values.

  A double underscore in the name of a change joins keys; None removes a key.
  """
  tree = {k: dict(v) if isinstance(v, dict) else v for k, v in tree.items()}
  for name, value in changes.items():
    key, _, rest = name.partition('__')
    if rest:
      tree[key] = changed(tree.get(key, {}), **{rest: value})
    elif value is None:
      del tree[key]
    else:
      tree[key] = value
  return tree


def write(folder, tree):
  path = folder / 'config.yaml'
  path.write_text(yaml.safe_dump(tree, sort_keys=False))
  return path
