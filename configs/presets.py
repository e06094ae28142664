"""Arguments of a config, after the colon of --config, comma-separated.

quickstart      a narrow AlexNet on synthetic sequences, in minutes
tiny            with it: in seconds
small           MobileNetV2 on a little real video, in an hour or two
backbone=NAME   another backbone, with what its official recipe changes
fusion=NAME     another fusion
sets=A+B        other data sets: those the recipe has as it has them, the rest
                with one pair of every video
NAME            an experiment that the config's file knows, as `otb`
"""

from ml_collections import ConfigDict, config_dict

from configs import common

# Of some sections of a config, some values.
Changes = dict[str, dict]
PRESETS = ('quickstart', 'quickstart,tiny', 'small')


def apply(
  config: ConfigDict,
  arg: str | None,
  fusion: str,
  backbones: dict[str, Changes],
  experiments: dict[str, Changes] | None = None,
) -> ConfigDict:
  """Applies `arg` to the config, then locks it.

  Args:
    config: Of the tracker with its own backbone.
    arg: See the head of this file.
    fusion: The fusion where `arg` names none.
    backbones: By name, what a backbone changes in the config.
    experiments: By name, what an experiment changes in it.

  Raises:
    ValueError: `arg` is unknown, or its parts do not go together.
  """
  experiments = experiments or {}
  names, values = _parse(arg, (*PRESETS, *experiments))
  if 'backbone' in values:
    if names:
      raise ValueError(
        f'config argument {arg!r}: {min(names)} has a backbone of its own'
      )
    _backbone(config, values['backbone'], backbones)
  if 'sets' in values:
    if names & {'quickstart', 'small'}:
      raise ValueError(
        f'config argument {arg!r}: {min(names)} has data sets of its own'
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
  return config.lock()


def _parse(
  arg: str | None, known: tuple[str, ...]
) -> tuple[set[str], dict[str, str]]:
  """The words of an argument, and its NAME=VALUE."""
  words = arg.split(',') if arg else []
  values = dict(word.split('=', 1) for word in words if '=' in word)
  names = {word for word in words if '=' not in word}
  fits = not names or names in [set(choice.split(',')) for choice in known]
  repeated = len(words) > len(names) + len(values)
  if repeated or not fits or not set(values) <= {'backbone', 'fusion', 'sets'}:
    raise ValueError(
      f'config argument {arg!r} is unknown: there are {"; ".join(known)}; '
      'backbone=NAME; fusion=NAME; sets=A+B'
    )
  return names, values


def _change(config: ConfigDict, changes: Changes) -> None:
  # One width of all levels becomes one of each.
  with config.ignore_type():
    config.update(changes)


def _backbone(config: ConfigDict, name: str, known: dict[str, Changes]) -> None:
  if name not in known:
    raise ValueError(
      f'config argument backbone={name!r} is unknown: there are '
      f'{", ".join(known)}'
    )
  config.tracker.backbone = name
  _change(config, known[name])


def _sets(official: ConfigDict, names: str) -> ConfigDict:
  others = {'num_use': -1, 'gap': 100}
  return ConfigDict(
    {name: official.get(name, others) for name in names.split('+')}
  )


def _fusion(tracker: ConfigDict, name: str) -> None:
  """Sets the fusion, with the options of ACM's released code."""
  acm = name == 'acm'
  options = {'prior': True, 'extra_conv': True} if acm else {}
  tracker.fusion = name
  tracker.fusion_options = ConfigDict(options)


def _set(tracker: ConfigDict, **values) -> None:
  """Sets what the tracker has of some values."""
  tracker.update({k: v for k, v in values.items() if k in tracker})


def _quickstart(config: ConfigDict) -> None:
  """Minutes on two cores: a narrow AlexNet that learns from nothing."""
  # Found on other synthetic sequences than the held-out ones.
  config.hparams.update(penalty_k=0.2, window_influence=0.1, size_lr=0.25)
  # 16 channels in the first layer, multiples of 8 in the others.
  _set(
    config.tracker,
    backbone='alexnet',
    levels=(5,),
    width=1 / 6,
    neck=False,
    hidden=48,
    search_size=207,
  )
  synthetic_alone(config, 100)
  config.augment.search.update(shift=40.0, blur=0.0)
  # There are no weights to protect: all of the backbone trains at once.
  everything = {'from_epoch': 0, 'rates': (('', 1.0),)}
  config.phases = ConfigDict({'all': everything})
  # A peak of 5e-2 was tried: the regression collapsed after 250 steps.
  config.schedule.update(
    warmup_epochs=1, first_rate=5e-3, peak_rate=1.5e-2, last_rate=1e-3
  )
  config.train.update(
    epochs=10, pairs_per_epoch=640, batch_size=16, search_size=0
  )
  # So few steps end anywhere: without an average the overlap on held-out
  # sequences was 0.27 to 0.38, by the machine and by code that changes nothing.
  config.train.ema_decay = 0.99
  config.log.every = 10
  config.checkpoints.every = 100


def synthetic_alone(config: ConfigDict, sequences: int) -> None:
  """Trains on procedural sequences, which a run makes for itself."""
  config.synthetic = _synthetic(sequences)
  config.sets = ConfigDict({'synthetic': {'weight': 1.0, 'gap': 20}})


def _tiny(config: ConfigDict) -> None:
  """A few steps, to see that everything runs."""
  _set(config.tracker, width=1 / 12, hidden=16)
  config.synthetic.update(sequences=4, frames=6)
  config.train.update(epochs=2, pairs_per_epoch=32, batch_size=8)
  config.log.every = 2


def _small(config: ConfigDict) -> None:
  """Over an hour on two cores: real video, and an ImageNet backbone.

  Needs a converted MobileNetV2 in --init_from, the set davis in --data_dir,
  and photographs for the synthetic sequences: --config.synthetic.textures=DIR.
  """
  # Found on DAVIS and on synthetic sequences of another seed.
  config.hparams.update(penalty_k=0.4, window_influence=0.4, size_lr=0.1)
  if config.tracker.name == 'siamfc':
    raise ValueError("'small' freezes the backbone, which is all of a siamfc")
  config.tracker.update(backbone='mobilenet_v2', levels=(3, 5), hidden=64)
  config.synthetic = _synthetic(1000)
  config.sets = ConfigDict(
    {
      'synthetic': {'weight': 0.65, 'gap': 20},
      'davis': {'weight': 0.35, 'gap': 40},
    }
  )
  # The backbone stays as it is: a third of the work, and nothing to forget.
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
      # A folder of photographs; procedural textures without.
      'textures': config_dict.placeholder(str),
    }
  )
