"""SiamBAN with ResNet-50 and depth-wise correlation, the official recipe.

    python -m acm_jax.train --config configs/siamban.py
    python -m acm_jax.train --config configs/siamban.py:quickstart

The full recipe has not been run yet.

Source of the numbers: the released SiamBAN code and its VOT2018 experiment
(arXiv:2003.06761), where nothing else is said.
"""

from ml_collections import ConfigDict

from configs import common, presets


def get_config(arg: str | None = None, fusion: str = 'dw_xcorr') -> ConfigDict:
  """The config; `arg`: see `configs.presets`."""
  config = common.recipe()
  config.tracker.name = 'siamban'
  # Found by the authors on VOT2018 itself.
  config.hparams = ConfigDict(
    {
      'penalty_k': 0.08513642556896711,
      'window_influence': 0.4632532824922313,
      'size_lr': 0.44418184746462425,
      # Ours: below it the place is less likely the target than not.
      'lost_score': 0.5,
    }
  )
  config.sets.update(
    {
      'got10k': {'weight': 200_000.0, 'gap': 100},
      'lasot': {'weight': 200_000.0, 'gap': 100},
    }
  )
  config.schedule.last_rate = 5e-5
  # 28 pairs on each of three GPUs.
  config.train.update(pairs_per_epoch=1_000_000, batch_size=84)
  return presets.apply(config, arg, fusion, common.BACKBONES)
