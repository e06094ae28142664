"""SiamBAN with ResNet-50 and depth-wise correlation, the official recipe.

    acm-jax train --config siamban
    acm-jax train --config siamban:quickstart
    acm-jax train --config siamban:otb

The last command runs the authors' experiment for OTB100, which turns some pairs
grey. The full recipes have not been run yet.

Source of all values, unless a comment names another one: the released SiamBAN
code and its VOT2018 experiment (arXiv:2003.06761).
"""

from ml_collections import ConfigDict

from configs import common, presets

# Hyper-parameters that the authors of SiamBAN tuned; keys are the benchmarks.
# The values for SiamBAN-ACM are not public.
_TUNED = {
  'vot2018': {
    'penalty_k': 0.08513642556896711,
    'window_influence': 0.4632532824922313,
    'size_lr': 0.44418184746462425,
  },
  'vot2019': {
    'penalty_k': 0.0012159181005195463,
    'window_influence': 0.334450048565355,
    'size_lr': 0.46386814967815493,
  },
  'otb100': {
    'penalty_k': 0.020530504470126613,
    'window_influence': 0.3850733326567302,
    'size_lr': 0.4730770315643308,
  },
}
_EXPERIMENTS = {
  'otb': {'augment': {'grey': 0.2}, 'hparams': _TUNED['otb100']},
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
  config.tracker.name = 'siamban'
  # Our choice: a score below 0.5 means that background is more likely than the
  # target.
  config.hparams = ConfigDict(
    {**_TUNED['vot2018'], 'lost_score': 0.5, 'found_score': 0.5}
  )
  config.tuned = ConfigDict(_TUNED)
  config.sets.update(
    {
      'youtube_bb': {'num_use': 200_000, 'gap': 3},
      'coco': {'num_use': 100_000, 'gap': 1},
      'imagenet_det': {'num_use': 200_000, 'gap': 1},
      'got10k': {'num_use': 200_000, 'gap': 100},
      'lasot': {'num_use': 200_000, 'gap': 100},
    }
  )
  config.schedule.last_rate = 5e-5
  # 28 pairs on each of three GPUs.
  config.train.update(pairs_per_epoch=1_000_000, batch_size=84)
  return presets.apply(config, arg, fusion, common.BACKBONES, _EXPERIMENTS)
