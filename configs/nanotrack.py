"""NanoTrackV3: a light tracker of 0.54 M parameters at stride 16.

    acm-jax convert --source nanotrack --weights nanotrackv3.pth \
      --config nanotrack --out runs/nanotrackv3
    acm-jax train --config nanotrack
    acm-jax train --config nanotrack:tiny

The first command converts the published weights. The second trains with the
official recipe, which has not been run yet. The third trains a narrow network
on synthetic data for a few seconds.

Source of all values: the released NanoTrackV3 code.
"""

from ml_collections import ConfigDict

from configs import common, presets


def get_config(arg: str | None = None) -> ConfigDict:
  """Returns the config.

  Args:
    arg: 'tiny'; None or '' for the official recipe.

  Raises:
    ValueError: `arg` is unknown.
  """
  config = recipe()
  if common.words(arg) == ['tiny']:
    tiny(config)
  elif arg:
    raise ValueError(
      f'config argument {arg!r} is unknown; the only choice is tiny'
    )
  return config.lock()


def recipe() -> ConfigDict:
  """Returns the official recipe as a config that can still be changed."""
  config = common.recipe()
  config.tracker = ConfigDict(
    {
      'name': 'nanotrack',
      'backbone': 'mobilenet_v3_small',
      'levels': (9,),
      'width': 1.0,
      'hidden': 96,
      'fusion': 'nano_xcorr',
      'fusion_options': {},
      'template_size': 127,
      'search_size': 255,
      'context_amount': 0.5,
      'smallest_side': 10.0,
      'wide_search': 'never',
      'dtype': 'float32',
    }
  )
  config.hparams = ConfigDict(
    {
      'penalty_k': 0.138,
      'window_influence': 0.455,
      'size_lr': 0.348,
      # Our choice: a score below 0.5 means that background is more likely than
      # the target.
      'lost_score': 0.5,
      'found_score': 0.5,
    }
  )
  config.tuned = ConfigDict()
  for name in ('got10k', 'lasot'):
    config.sets[name] = ConfigDict({'gap': 100})
  for data_set in config.sets.values():
    data_set.num_use = 100_000
  unfrozen = {
    'from_epoch': 10,
    'rates': (('backbone/', 0.1), ('', 1.0)),
  }
  config.phases = ConfigDict({'frozen': common.FROZEN, 'unfrozen': unfrozen})
  config.train.update(epochs=50, pairs_per_epoch=400_000, batch_size=64)
  return config


def tiny(config: ConfigDict) -> None:
  """Reduces a recipe to a few steps with a narrow network on synthetic data."""
  config.tracker.update(width=0.25, hidden=16)
  presets.only_synthetic(config, 4)
  config.synthetic.frames = 6
  config.phases = ConfigDict({'frozen': common.FROZEN})
  config.schedule.warmup_epochs = 1
  config.train.update(epochs=2, pairs_per_epoch=32, batch_size=8)
  config.log.every = 2
