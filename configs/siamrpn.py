"""SiamRPN++ with ResNet-50 and depth-wise correlation, the official recipe.

    acm-jax train --config siamrpn
    acm-jax train --config siamrpn:quickstart
    acm-jax train --config siamrpn:backbone=alexnet_legacy,fusion=up_xcorr
    acm-jax train --config siamrpn:otb
    acm-jax train --config siamrpn:long_term

The third command trains SiamRPN. The fourth runs pysot's experiment for OTB100.
The fifth trains pysot's tracker for long videos. The full recipes have not been
run yet.

Source of all values, unless a comment names another one: the released code of
pysot and its experiments (arXiv:1812.11703).
"""

from ml_collections import ConfigDict

from configs import common, presets

# Hyper-parameters that the authors of pysot tuned on benchmarks; keys are
# backbones.
_HPARAMS = {
  'resnet50': {'penalty_k': 0.05, 'window_influence': 0.42, 'size_lr': 0.38},
  'mobilenet_v2': {'penalty_k': 0.04, 'window_influence': 0.4, 'size_lr': 0.5},
  'alexnet': {'penalty_k': 0.16, 'window_influence': 0.4, 'size_lr': 0.3},
}
_HPARAMS['alexnet_legacy'] = _HPARAMS['alexnet']
# Hyper-parameters that mmtracking tuned for its trained model; keys are the
# benchmarks.
_TUNED = {
  'otb100': {'penalty_k': 0.4, 'window_influence': 0.5, 'size_lr': 0.4},
  'uav123': {'penalty_k': 0.1, 'window_influence': 0.1, 'size_lr': 0.5},
}
_EXPERIMENTS = {
  'otb': {
    'tracker': {'weighted': False},
    'augment': {'grey': 0.2},
    'hparams': {'penalty_k': 0.24, 'window_influence': 0.5, 'size_lr': 0.25},
    'schedule': {'last_rate': 2.5e-3},
    'phases': common.unfrozen_at(10, '[1234]', 0.1),
    # 16 pairs on each of 8 GPUs.
    'train': {'batch_size': 128},
  },
  # pysot has no training experiment for its long-term tracker. This experiment
  # trains that tracker with the recipe of SiamRPN++.
  'long_term': {
    'tracker': {'hidden': (128, 256, 512), 'wide_search': 'long_term'},
    'hparams': {
      'penalty_k': 0.05,
      'window_influence': 0.28,
      'size_lr': 0.22,
      'lost_score': 0.8,
      'found_score': 0.998,
    },
  },
}


def get_config(arg: str | None = None, fusion: str = 'dw_xcorr') -> ConfigDict:
  """Returns the config.

  Args:
    arg: Comma-separated arguments, such as 'quickstart' or 'backbone=resnet18';
      `configs.presets` lists all arguments.
    fusion: Name of the fusion, unless `arg` names another one.

  Raises:
    ValueError: `arg` is unknown, or its parts cannot be combined.
  """
  config = common.recipe()
  config.tracker.update(name='siamrpn', loc_factor=1.2)
  # Our choice: a score below 0.5 means that background is more likely than the
  # target.
  config.hparams = ConfigDict(
    {**_HPARAMS['resnet50'], 'lost_score': 0.5, 'found_score': 0.5}
  )
  config.tuned = ConfigDict(_TUNED)
  backbones = {
    name: {**changes, 'hparams': _HPARAMS.get(name, {})}
    for name, changes in common.BACKBONES.items()
  }
  return presets.apply(config, arg, fusion, backbones, _EXPERIMENTS)
