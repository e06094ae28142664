"""What all configs share: the arguments after the colon, and the quick start.

A section of a config is the keyword arguments of one function:

    tracker       acm_jax.trackers.make
    hparams       acm_jax.tracking.contract.Hparams
    sets          by name: data_pipelines.pipeline.DataSet
    data          data_pipelines.pipeline.train_batches
    synthetic     data_pipelines.tracks.ensure_synthetic (presets only)
    augment       acm_jax.training.augment.Distortion; in it template and
                  search: Ranges
    optimizer     acm_jax.training.optimizer.Sgd
    schedule      acm_jax.training.schedule.rate_per_epoch
    phases        by name: acm_jax.training.schedule.make_phase
    train, log, checkpoints    acm_jax.training.sections
    precision     jax.default_matmul_precision
"""

from ml_collections import ConfigDict, config_dict

PRESETS = ('quickstart', 'quickstart,tiny', 'small')


def apply(config: ConfigDict, arg: str | None) -> ConfigDict:
  """Locks the config, after the preset that `arg` names.

  Raises:
    ValueError: It is unknown.
  """
  if arg and arg not in PRESETS:
    raise ValueError(
      f'config argument {arg!r} is unknown: there are {"; ".join(PRESETS)}'
    )
  if arg == 'small':
    _small(config)
  elif arg:
    _quickstart(config)
  if arg == 'quickstart,tiny':
    _tiny(config)
  return config.lock()


def _quickstart(config: ConfigDict) -> None:
  """Minutes on two cores: a narrow AlexNet that learns from nothing."""
  # Found on other synthetic sequences than the held-out ones.
  config.hparams.update(penalty_k=0.2, window_influence=0.1, size_lr=0.25)
  # 16 channels in the first layer, multiples of 8 in the others.
  config.tracker.update(
    backbone='alexnet',
    levels=(5,),
    width=1 / 6,
    neck=False,
    hidden=48,
    search_size=207,
  )
  config.synthetic = _synthetic(100)
  config.sets = ConfigDict({'synthetic': {'weight': 1.0, 'gap': 20}})
  config.augment.search.update(shift=40.0, blur=0.0)
  # There are no weights to protect: all of the backbone trains at once.
  everything = {'from_epoch': 0, 'backbone': (True,) * 5, 'rates': (('', 1.0),)}
  config.phases = ConfigDict({'all': everything})
  # A peak of 5e-2 was tried: the regression collapsed after 250 steps.
  config.schedule.update(
    warmup_epochs=1, first_rate=5e-3, peak_rate=1.5e-2, last_rate=1e-3
  )
  config.train.update(epochs=10, pairs_per_epoch=640, batch_size=16)
  config.log.every = 10
  config.checkpoints.every = 100


def _tiny(config: ConfigDict) -> None:
  """A few steps, to see that everything runs."""
  config.tracker.update(width=1 / 12, hidden=16)
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
  config.tracker.update(backbone='mobilenet_v2', levels=(3, 5), hidden=64)
  config.synthetic = _synthetic(1000)
  config.sets = ConfigDict(
    {
      'synthetic': {'weight': 0.65, 'gap': 20},
      'davis': {'weight': 0.35, 'gap': 40},
    }
  )
  # The backbone stays as it is: a third of the work, and nothing to forget.
  config.phases = ConfigDict({'frozen': config.phases.frozen})
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
