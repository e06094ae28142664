"""NanoTrack-ACM: NanoTrackV3 with asymmetric convolution and box-size prior.

    acm-jax train --config nanotrack_acm \
      --init_from runs/nanotrackv3 --teacher runs/nanotrackv3 \
      --data_dir DATA --validation_dir DAVIS
    acm-jax train --config nanotrack_acm:tiny

Arguments after the colon:

    sets=A+B               trains only on the data sets A and B; the choices are
                           composed, davis and coco
    fusion=acm             replaces the correlations with ACM
    fusion=nano_xcorr      continues to train NanoTrackV3 without ACM, as a
                           control
    whole                  also trains the backbone
    tiny                   trains a narrow network for a few seconds

By default, ACM works in parallel to the correlations, and its last layer starts
at zero. A run that starts from the weights of NanoTrackV3 therefore has the
outputs of NanoTrackV3 at step 0.

The recipe is our choice for a small amount of data. The backbone is frozen. The
other pretrained parts have a low learning rate and keep their batch-norm
statistics. NanoTrackV3 is the teacher. The best checkpoint is chosen by
tracking in five held-out sequences of DAVIS.
"""

from ml_collections import ConfigDict

from configs import common, nanotrack

# For each fusion: the factors on the learning rate of the parts that start from
# random weights, the factor on the learning rate of the pretrained parts
# outside the backbone, and the batch norms with frozen statistics. With
# fusion=acm, the statistics of the towers (the convolutions behind the fusions)
# are not frozen, because the inputs of the towers differ from those in
# NanoTrackV3.
_RATES = {
  'residual_acm': (
    (('(cls|loc)/(acm|join)/', 1.0),),
    0.05,
    ('(cls|loc)/(xcorr|tower)',),
  ),
  'acm': ((('(cls|loc)/acm/', 1.0),), 0.5, ()),
  'nano_xcorr': ((), 0.05, ('(cls|loc)/(xcorr|tower)',)),
}
# Factor on the learning rate of the backbone, with the argument `whole`.
_BACKBONE_RATE = 0.02
# Sequences of DAVIS for validation.
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
    arg: Comma-separated arguments, as in the docstring of this module.

  Raises:
    ValueError: An argument, data set or fusion is unknown.
  """
  words = common.words(arg)
  values = dict(word.partition('=')[::2] for word in words)
  known = len(values) == len(words) and set(values) <= {
    'tiny',
    'whole',
    'sets',
    'fusion',
  }
  fusion = values.get('fusion', 'residual_acm')
  valued = values.get('tiny') or values.get('whole')
  if not known or valued or fusion not in _RATES:
    raise ValueError(
      f'config argument {arg!r} is unknown; the choices are tiny; whole; '
      f'sets=A+B; fusion=NAME, with NAME one of {", ".join(_RATES)}'
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
  _transfer(config, *_RATES[fusion], whole='whole' in values)
  if 'sets' in values:
    config.sets = _chosen(config.sets, values['sets'].split('+'))
  return config.lock()


def _chosen(sets: ConfigDict, names: list[str]) -> ConfigDict:
  """Returns the named data sets; raises ValueError if one is unknown."""
  if unknown := [name for name in names if name not in sets]:
    raise ValueError(
      f'config argument sets: data set {", ".join(unknown)} is unknown; the '
      f'choices are {", ".join(sets)}'
    )
  return ConfigDict({name: sets[name] for name in names})


def _transfer(
  config: ConfigDict,
  fresh: tuple,
  other: float,
  statistics: tuple[str, ...],
  *,
  whole: bool,
) -> None:
  """Sets up a run that starts from NanoTrackV3, with NanoTrackV3 as teacher.

  Args:
    config: Config to change.
    fresh: Pairs of a regular expression and a factor on the learning rate, for
      the parts that start from random weights.
    other: Factor on the learning rate of the pretrained parts outside the
      backbone.
    statistics: Regular expressions for the batch norms outside the backbone
      that have frozen statistics.
    whole: Whether the backbone trains as well.
  """
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
  config.optimizer = ConfigDict(common.OPTIMIZERS['adamw'])
  config.schedule.update(
    warmup_epochs=1, first_rate=1e-4, peak_rate=5e-4, last_rate=1e-5
  )
  config.phases = ConfigDict(
    {
      'all': {
        'from_epoch': 0,
        'rates': (
          *fresh,
          ('backbone/', _BACKBONE_RATE if whole else 0.0),
          ('', other),
        ),
        'frozen_statistics': ('backbone/', *statistics),
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
