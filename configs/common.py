"""What all configs share: the arguments after the colon, and the quick start.

A section of a config is the keyword arguments of one function:

    tracker       acm_jax.trackers.make
    hparams       acm_jax.tracking.contract.Hparams
    sets          by name: data_pipelines.pipeline.DataSet
    data          data_pipelines.pipeline.train_batches
    synthetic     data_pipelines.tracks.ensure_synthetic (quick start only)
    augment       template, search: acm_jax.training.augment.Ranges
    optimizer     acm_jax.training.optimizer.make
    schedule      acm_jax.training.schedule.rate_per_epoch
    phases        by name: acm_jax.training.schedule.Phase
    train, checkpoints    the loop's own
"""

from ml_collections import ConfigDict, config_dict

PRESETS = ('quickstart', 'tiny')


def presets(arg: str | None) -> tuple[str, ...]:
  """The presets that a config's argument names, e.g. 'quickstart,tiny'.

  Raises:
    ValueError: One is unknown, or tiny comes without quickstart.
  """
  named = tuple(arg.split(',')) if arg else ()
  for name in named:
    if name not in PRESETS:
      raise ValueError(
        f'config argument {name!r} is unknown: there are {", ".join(PRESETS)}'
      )
  if 'tiny' in named and 'quickstart' not in named:
    raise ValueError(
      'config argument tiny goes with quickstart: quickstart,tiny'
    )
  return named


def apply(config: ConfigDict, arg: str | None) -> ConfigDict:
  """Locks the config, after the presets that `arg` names."""
  named = presets(arg)
  if 'quickstart' in named:
    _quickstart(config)
  if 'tiny' in named:
    _tiny(config)
  return config.lock()


def _quickstart(config: ConfigDict) -> None:
  """A narrow AlexNet from nothing on synthetic data, minutes on two cores."""
  config.tracker.update(backbone='alexnet', levels=(5,), width=0.25, hidden=32)
  config.sets = ConfigDict({'synthetic': {'weight': 1.0, 'gap': 20}})
  config.synthetic = ConfigDict(
    {
      'sequences': 60,
      'frames': 40,
      'size': (240, 320),
      'seed': 0,
      # A folder of photographs; procedural textures without.
      'textures': config_dict.placeholder(str),
    }
  )
  # Less room than 64 px to decode.
  config.augment.search.update(shift=48.0, blur=0.0)
  # The batch norms need no warm-up of the backbone: all of it trains at once.
  config.phases = ConfigDict(
    {
      'all': {
        'from_epoch': 0,
        'backbone': (True,) * 5,
        'rates': (('', 1.0),),
      }
    }
  )
  config.schedule.update(
    warmup_epochs=1, first_rate=5e-3, peak_rate=2e-2, last_rate=1e-3
  )
  config.train.update(epochs=10, pairs_per_epoch=480, batch_size=16)
  config.log.every = 10
  config.checkpoints.every = 100


def _tiny(config: ConfigDict) -> None:
  """A few steps, to see that everything runs."""
  config.tracker.update(width=0.1, hidden=16)
  config.synthetic.update(sequences=4, frames=6)
  config.train.update(epochs=2, pairs_per_epoch=32, batch_size=8)
  config.log.every = 2
