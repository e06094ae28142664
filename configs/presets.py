"""Arguments of a config: the comma-separated text after the colon of --config.

quickstart        a narrow AlexNet on synthetic sequences; trains in minutes
quickstart,tiny   an even narrower AlexNet; trains in seconds
small             MobileNetV2 on synthetic sequences and a little real video;
                  trains in an hour or two
backbone=NAME     another backbone, and the changes that its official recipe
                  needs
fusion=NAME       another fusion
optimizer=NAME    another optimizer, sgd or adamw; the learning rates of adamw
                  are a tenth of those of sgd, a factor that has not been tuned
sets=A+B          other data sets; a data set that the recipe lacks contributes
                  one pair per video and epoch
NAME              an experiment that the config file defines, such as `otb`
"""

from ml_collections import ConfigDict, config_dict

from configs import common

# Changes of a config: section -> key -> new value.
Changes = dict[str, dict]
_VALUES = {'backbone', 'fusion', 'optimizer', 'sets'}
PRESETS = ('quickstart', 'quickstart,tiny', 'small')


def apply(
  config: ConfigDict,
  arg: str | None,
  fusion: str,
  backbones: dict[str, Changes],
  experiments: dict[str, Changes] | None = None,
) -> ConfigDict:
  """Applies `arg` to a config and locks it.

  Args:
    config: Config of the tracker with its default backbone.
    arg: Arguments as in the docstring of this module.
    fusion: Fusion to use if `arg` does not name a fusion.
    backbones: Changes of the config for each backbone; keys are names.
    experiments: Changes of the config for each experiment; keys are names.

  Returns:
    The same config.

  Raises:
    ValueError: `arg` is unknown, or its parts cannot be combined.
  """
  experiments = experiments or {}
  names, values = _parse(arg, (*PRESETS, *experiments))
  if 'backbone' in values:
    if names:
      raise ValueError(
        f'config argument {arg!r}: {min(names)} has a backbone of its own; '
        'leave out backbone=NAME'
      )
    _backbone(config, values['backbone'], backbones)
  if 'sets' in values:
    if names & {'quickstart', 'small'}:
      raise ValueError(
        f'config argument {arg!r}: {min(names)} has data sets of its own; '
        'leave out sets=A+B'
      )
    config.sets = _sets(config.sets, values['sets'])
  _fusion(config.tracker, values.get('fusion', fusion))
  for name in names & set(experiments):
    _change(config, experiments[name])
  if 'small' in names:
    _small(config)
  if 'quickstart' in names:
    _quickstart(config)
  if 'tiny' in names:
    _tiny(config)
  if 'optimizer' in values:
    _optimizer(config, values['optimizer'])
  return config.lock()


def _parse(
  arg: str | None, known: tuple[str, ...]
) -> tuple[set[str], dict[str, str]]:
  """Splits an argument into its plain words and its NAME=VALUE parts."""
  words = common.words(arg)
  values = dict(word.split('=', 1) for word in words if '=' in word)
  names = {word for word in words if '=' not in word}
  fits = not names or names in [set(choice.split(',')) for choice in known]
  repeated = len(words) > len(names) + len(values)
  if repeated or not fits or not set(values) <= _VALUES:
    raise ValueError(
      f'config argument {arg!r} is unknown; the choices are '
      f'{"; ".join(known)}; backbone=NAME; fusion=NAME; optimizer=NAME; '
      'sets=A+B'
    )
  return names, values


def _change(config: ConfigDict, changes: Changes) -> None:
  # By default, ConfigDict refuses to change the type of a value. But a change
  # may replace one width with a tuple of widths, one per level.
  with config.ignore_type():
    config.update(changes)


def _backbone(config: ConfigDict, name: str, known: dict[str, Changes]) -> None:
  if name not in known:
    raise ValueError(
      f'config argument backbone={name!r} is unknown; the choices are '
      f'{", ".join(known)}'
    )
  config.tracker.backbone = name
  _change(config, known[name])


def _optimizer(config: ConfigDict, name: str) -> None:
  """Changes the optimizer; AdamW has a tenth of SGD's learning rates."""
  if name not in common.OPTIMIZERS:
    raise ValueError(
      f'config argument optimizer={name!r} is unknown; the choices are '
      f'{", ".join(common.OPTIMIZERS)}'
    )
  factors = {'sgd': 1.0, 'adamw': 0.1}
  factor = factors[name] / factors[config.optimizer.name]
  config.optimizer = ConfigDict(common.OPTIMIZERS[name])
  for rate in ('first_rate', 'peak_rate', 'last_rate'):
    config.schedule[rate] *= factor


def _sets(official: ConfigDict, names: str) -> ConfigDict:
  default = {'num_use': -1, 'gap': 100}
  return ConfigDict(
    {name: official.get(name, default) for name in names.split('+')}
  )


def _fusion(tracker: ConfigDict, name: str) -> None:
  """Sets the fusion; ACM gets the options of its released code."""
  acm = name == 'acm'
  options = {'prior': True, 'extra_conv': True} if acm else {}
  tracker.fusion = name
  tracker.fusion_options = ConfigDict(options)


def _set(tracker: ConfigDict, **values) -> None:
  """Sets those of `values` whose keys `tracker` has; ignores the others."""
  tracker.update({k: v for k, v in values.items() if k in tracker})


def _quickstart(config: ConfigDict) -> None:
  """Sets up a narrow AlexNet that trains in minutes on two CPU cores."""
  # Tuned on synthetic sequences other than the held-out sequences.
  config.hparams.update(penalty_k=0.2, window_influence=0.1, size_lr=0.25)
  # This width gives 16 channels in the first layer, and multiples of 8 in the
  # other layers.
  _set(
    config.tracker,
    backbone='alexnet',
    levels=(5,),
    width=1 / 6,
    neck=False,
    hidden=48,
    search_size=207,
  )
  only_synthetic(config, 100)
  # Records need TensorFlow, whose installation and import take half a minute.
  config.data.source = 'memory'
  config.augment.search.update(shift=40.0, blur=0.0)
  # Nothing is frozen, because there are no pretrained weights to protect.
  everything = {'from_epoch': 0, 'rates': (('', 1.0),)}
  config.phases = ConfigDict({'all': everything})
  # Tuned, too, on synthetic sequences other than the held-out ones. In 250
  # steps, SGD reached an average overlap of 0.37 to 0.41 there, and AdamW 0.43.
  config.optimizer = ConfigDict(common.OPTIMIZERS['adamw'])
  config.schedule.update(warmup_epochs=0, peak_rate=1e-3, last_rate=1e-4)
  config.train.update(
    epochs=10, pairs_per_epoch=352, batch_size=16, search_size=0
  )
  # After so few steps, results vary a lot. With SGD, and without averaging the
  # weights, the overlap on held-out sequences was between 0.27 and 0.38. It
  # depended on the computer and on changes of the code that should not matter.
  config.train.ema_decay = 0.99
  config.log.every = 10
  config.checkpoints.every = 100


def only_synthetic(config: ConfigDict, sequences: int) -> None:
  """Replaces all data sets with synthetic sequences that the run generates.

  Args:
    config: Config to change.
    sequences: Number of synthetic sequences.
  """
  config.synthetic = _synthetic(sequences)
  config.sets = ConfigDict({'synthetic': {'weight': 1.0, 'gap': 20}})


def _tiny(config: ConfigDict) -> None:
  """Reduces `quickstart` to a few steps, to test only that everything runs."""
  _set(config.tracker, width=1 / 12, hidden=16)
  config.synthetic.update(sequences=4, frames=6)
  config.train.update(epochs=2, pairs_per_epoch=32, batch_size=8)
  config.log.every = 2


def _small(config: ConfigDict) -> None:
  """Sets up training with a frozen ImageNet backbone.

  Training takes an hour or two on two CPU cores.

  Requires a converted MobileNetV2 (`--init_from`), the data set davis in
  `--data_dir`, and photographs for the synthetic sequences
  (`--config.synthetic.textures=DIR`).
  """
  # Tuned on DAVIS, and on synthetic sequences whose seed is not that of the
  # training sequences.
  config.hparams.update(penalty_k=0.4, window_influence=0.4, size_lr=0.1)
  if config.tracker.name == 'siamfc':
    # In SiamFC, only the backbone and the fusion have weights.
    raise ValueError(
      "config argument 'small' freezes the backbone, and SiamFC has hardly any "
      'other weights to train; use quickstart'
    )
  config.tracker.update(backbone='mobilenet_v2', levels=(3, 5), hidden=64)
  config.synthetic = _synthetic(1000)
  config.sets = ConfigDict(
    {
      'synthetic': {'weight': 0.65, 'gap': 20},
      'davis': {'weight': 0.35, 'gap': 40},
    }
  )
  # With a frozen backbone, training takes a third of the time, and the backbone
  # forgets nothing.
  config.phases = ConfigDict({'frozen': common.FROZEN})
  config.schedule.update(
    warmup_epochs=1, first_rate=5e-3, peak_rate=1.5e-2, last_rate=2e-4
  )
  config.train.update(epochs=14, pairs_per_epoch=4000, batch_size=16)
  config.log.every = 50
  config.checkpoints.every = 250


def _synthetic(sequences: int) -> ConfigDict:
  return ConfigDict(
    {
      'sequences': sequences,
      'frames': 40,
      'size': (240, 320),
      'seed': 0,
      # Folder of photographs; without one, textures are procedural.
      'textures': config_dict.placeholder(str),
    }
  )
