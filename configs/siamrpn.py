"""SiamRPN++ with ResNet-50 and depth-wise correlation, the official recipe.

    python -m acm_jax.train --config configs/siamrpn.py
    python -m acm_jax.train --config configs/siamrpn.py:quickstart
    python -m acm_jax.train --config \
      configs/siamrpn.py:backbone=alexnet_legacy,fusion=up_xcorr

The last one is SiamRPN. The full recipes have not been run yet.

Source of the numbers: the released code of pysot and its experiments
(arXiv:1812.11703), where nothing else is said.
"""

from ml_collections import ConfigDict

from configs import common, presets

# Found by the authors on benchmarks.
_HPARAMS = {
  'resnet50': {'penalty_k': 0.05, 'window_influence': 0.42, 'size_lr': 0.38},
  'mobilenet_v2': {'penalty_k': 0.04, 'window_influence': 0.4, 'size_lr': 0.5},
  'alexnet': {'penalty_k': 0.16, 'window_influence': 0.4, 'size_lr': 0.3},
}
_HPARAMS['alexnet_legacy'] = _HPARAMS['alexnet']


def get_config(arg: str | None = None, fusion: str = 'dw_xcorr') -> ConfigDict:
  """The config; `arg`: see `configs.presets`."""
  config = common.recipe()
  config.tracker.update(name='siamrpn', loc_share=1.2)
  # Ours: below it the place is less likely the target than not.
  config.hparams = ConfigDict({**_HPARAMS['resnet50'], 'lost_score': 0.5})
  backbones = {
    name: {**changes, 'hparams': _HPARAMS.get(name, {})}
    for name, changes in common.BACKBONES.items()
  }
  return presets.apply(config, arg, fusion, backbones)
