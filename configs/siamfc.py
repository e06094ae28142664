"""SiamFC with AlexNet and cross correlation, trained on GOT-10k.

    acm-jax train --config siamfc
    acm-jax train --config siamfc:quickstart

The full recipe has not been run yet.

Source of all values: got-10k/siamfc, a port of SiamFC (arXiv:1606.09549).
Deviation: got-10k/siamfc shifts the crops by up to 4 px but leaves the label
map unchanged. This library moves the label map with the target.
"""

from ml_collections import ConfigDict, config_dict

from configs import common, presets

_BACKBONES = {
  'alexnet_v1': {},
  'alexnet': {},
  # Configs with these backbones are our choice and have not been trained.
  'mobilenet_v2': {'tracker': {'levels': (5,)}},
  'resnet18': {'tracker': {'levels': (3,)}},
  'resnet34': {'tracker': {'levels': (3,)}},
  'resnet50': {'tracker': {'levels': (3,)}},
}


def get_config(arg: str | None = None, fusion: str = 'xcorr') -> ConfigDict:
  """Returns the config.

  Args:
    arg: Comma-separated arguments, such as 'quickstart' or 'backbone=resnet18';
      `configs.presets` lists all arguments.
    fusion: Name of the fusion, unless `arg` names another one.

  Raises:
    ValueError: `arg` is unknown, or its parts cannot be combined.
  """
  config = common.recipe()
  config.tracker = ConfigDict(
    {
      'name': 'siamfc',
      'backbone': 'alexnet_v1',
      'levels': (5,),
      'width': 1.0,
      'template_size': 127,
      'search_size': 255,
      'context_amount': 0.5,
      'smallest_side': 0.0,
      'search_scales': (1 / 1.0375, 1.0, 1.0375),
      'wide_search': 'never',
      'dtype': 'float32',
    }
  )
  config.hparams = ConfigDict(
    {
      # A change of scale multiplies the response by exp(-0.02583) = 0.9745.
      'penalty_k': 0.02583,
      'window_influence': 0.176,
      'size_lr': 0.59,
      # Our choice: a score below 0.5 means that background is more likely than
      # the target.
      'lost_score': 0.5,
      'found_score': 0.5,
    }
  )
  config.tuned = ConfigDict()
  config.sets = ConfigDict({'got10k': {'weight': 1.0, 'gap': 100}})
  config.data.negative = 0.0
  config.augment = _augment()
  config.optimizer.update(
    weight_decay=5e-4, clip_norm=config_dict.placeholder(float)
  )
  config.schedule.update(
    warmup_epochs=0, first_rate=1e-2, peak_rate=1e-2, last_rate=1e-5
  )
  everything = {'from_epoch': 0, 'rates': (('', 1.0),)}
  config.phases = ConfigDict({'all': everything})
  # Ten pairs of each of the 9,335 sequences.
  config.train.update(
    epochs=50, pairs_per_epoch=93_350, batch_size=8, search_size=239
  )
  return presets.apply(config, arg, fusion, _BACKBONES)


def _augment() -> ConfigDict:
  ranges = {'shift': 4.0, 'scale': 0.05, 'color': 0.0, 'blur': 0.0, 'flip': 0.0}
  return ConfigDict({'template': ranges, 'search': dict(ranges), 'grey': 0.0})
