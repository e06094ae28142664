"""NanoTrack-ACM: NanoTrackV3 with asymmetric convolution and the box prior.

    python -m acm_jax.train --config configs/nanotrack_acm.py \
      --init_from runs/nanotrackv3 --teacher runs/nanotrackv3 \
      --data_dir DATA --validation_dir DAVIS
    python -m acm_jax.train --config configs/nanotrack_acm.py:tiny

`:sets=composed+davis` trains on these of its data sets alone; `:fusion=acm`
puts ACM in the place of the correlations, the pure swap; `:fusion=nano_xcorr`
trains NanoTrackV3 on without ACM, as a control.

ACM stands beside the correlations and joins them through a last layer that
starts at zero, so that step 0 of a run that begins with NanoTrackV3 equals it.

The recipe is ours, for little data: the backbone is frozen, other pretrained
parts move slowly and keep their batch-norm statistics, NanoTrackV3 is the
teacher, and the checkpoint is chosen by tracking on five held-out sequences of
DAVIS.
"""

from ml_collections import ConfigDict

from configs import nanotrack

# By fusion, what begins at random and trains at the full rate.
_RATES = {
  'residual_acm': (('(cls|loc)/(acm|join)/', 1.0),),
  'acm': (('(cls|loc)/acm/', 1.0),),
  'nano_xcorr': (),
}
HELD_OUT = (
  'bmx-trees',
  'camel',
  'car-roundabout',
  'dance-twirl',
  'parkour',
)


def get_config(arg: str | None = None) -> ConfigDict:
  """Returns the config.

  Args:
    arg: 'tiny', 'sets=A+B' (of the data sets these alone), 'fusion=NAME' (acm,
      or nano_xcorr as a control), or several with commas between.

  Raises:
    ValueError: A word is unknown, or names another data set or fusion.
  """
  words = arg.split(',') if arg else []
  values = dict(word.partition('=')[::2] for word in words)
  known = len(values) == len(words) and set(values) <= {
    'tiny',
    'sets',
    'fusion',
  }
  fusion = values.get('fusion', 'residual_acm')
  if not known or values.get('tiny') or fusion not in _RATES:
    raise ValueError(
      f'config argument {arg!r} is unknown: there are tiny; sets=A+B; fusion='
      f'NAME with {", ".join(_RATES)}'
    )
  config = nanotrack.recipe()
  config.tracker.fusion = fusion
  if fusion != 'nano_xcorr':
    config.tracker.fusion_options = ConfigDict(
      {'cells': 4, 'prior': True, 'extra_conv': False}
    )
  if 'tiny' in values:
    nanotrack.tiny(config)
    return config.lock()
  _transfer(config, _RATES[fusion])
  if 'sets' in values:
    config.sets = _chosen(config.sets, values['sets'].split('+'))
  return config.lock()


def _chosen(sets: ConfigDict, names: list[str]) -> ConfigDict:
  """Leaves the data sets that are named."""
  if unknown := [name for name in names if name not in sets]:
    raise ValueError(
      f'config argument sets: {", ".join(unknown)} is unknown: there are '
      f'{", ".join(sets)}'
    )
  return ConfigDict({name: sets[name] for name in names})


def _transfer(config: ConfigDict, rates: tuple) -> None:
  """Trains on from NanoTrackV3, with it as teacher."""
  config.sets = ConfigDict(
    {
      'composed': {'weight': 0.5, 'gap': 24},
      'davis': {'weight': 0.3, 'gap': 60},
      'coco': {'weight': 0.2, 'gap': 1},
    }
  )
  config.data.update(source='memory', negative=0.3)
  config.data.same_category = 0.5
  config.augment.grey = 0.1
  config.optimizer = ConfigDict(
    {
      'name': 'adamw',
      'b1': 0.9,
      'b2': 0.999,
      'eps': 1e-8,
      'weight_decay': 1e-4,
      'clip_norm': 10.0,
    }
  )
  config.schedule.update(
    warmup_epochs=1, first_rate=1e-4, peak_rate=5e-4, last_rate=1e-5
  )
  config.phases = ConfigDict(
    {
      'all': {
        'from_epoch': 0,
        'backbone': (),
        'rates': (*rates, ('backbone/', 0.0), ('', 0.05)),
        'frozen_statistics': ('(cls|loc)/(xcorr|tower)',),
      }
    }
  )
  config.teacher = ConfigDict({'cls': 1.0, 'loc': 1.0})
  config.validation = ConfigDict(
    {'benchmark': 'davis', 'sequences': HELD_OUT, 'pairs': 64}
  )
  config.train.update(epochs=20, pairs_per_epoch=20_000, batch_size=32)
  config.train.ema_decay = 0.999
  config.log.every = 50
  config.checkpoints.every = 500
