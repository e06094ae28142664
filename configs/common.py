"""What the configs share: the recipe of SiamRPN++, which SiamBAN took over.

A section of a config is the keyword arguments of one function:

    tracker       acm_jax.trackers.make
    hparams       acm_jax.tracking.contract.Hparams
    tuned         by benchmark: what of hparams was found on it, for the
                  --hparams NAME of evaluate
    sets          by name: data_pipelines.mixture.DataSet
    data          data_pipelines.pipeline.train_batches
    synthetic     data_pipelines.synthetic_set.ensure (presets only)
    augment       acm_jax.training.augment.Distortion; in it template and
                  search: Ranges
    optimizer     acm_jax.training.optimizer.make
    schedule      acm_jax.training.schedule.rate_per_epoch
    phases        by name: acm_jax.training.schedule.make_phase
    teacher       weights of acm_jax.tracking.contract.Tracker.imitation, for
                  train --teacher (optional)
    validation    acm_jax.training.sections.Validation, for
                  train --validation_dir (optional)
    train, log, checkpoints    acm_jax.training.sections
    precision     jax.default_matmul_precision; 'bfloat16' is also the type
                  that the network computes in
"""

from ml_collections import ConfigDict, config_dict

# A phase in which the head alone trains.
FROZEN = {
  'from_epoch': 0,
  'rates': (('backbone/', 0.0), ('', 1.0)),
}


def recipe() -> ConfigDict:
  """Training of a ResNet-50 tracker; without hparams, tuned and fusion.

  Source: the released code of pysot (arXiv:1812.11703).
  """
  config = ConfigDict()
  config.precision = 'default'
  config.tracker = _tracker()
  config.sets = _sets()
  # workers: processes that decode, for the source 'memory'.
  config.data = ConfigDict(
    {
      'source': 'records',
      'negative': 0.2,
      'same_category': 0.0,
      'workers': 0,
    }
  )
  config.augment = _augment()
  config.optimizer = ConfigDict(
    {
      'name': 'sgd',
      'momentum': 0.9,
      'weight_decay': 1e-4,
      'clip_norm': 10.0,
    }
  )
  config.schedule = ConfigDict(
    {
      'warmup_epochs': 5,
      'first_rate': 1e-3,
      'peak_rate': 5e-3,
      'last_rate': 5e-4,
    }
  )
  config.phases = _phases()
  # The official code sums the gradients of its GPUs before it clips their
  # norm; here they are the mean over the batch.
  config.train = ConfigDict(
    {
      'epochs': 20,
      'pairs_per_epoch': 600_000,
      'batch_size': 224,
      'seed': 0,
      # Where the tracker's own is not the one it trains with.
      'search_size': 0,
      'ema_decay': 0.0,
    }
  )
  config.log = ConfigDict({'every': 20})
  config.checkpoints = ConfigDict({'every': 2000, 'keep': 3})
  return config


def _tracker() -> ConfigDict:
  return ConfigDict(
    {
      'backbone': 'resnet50',
      'levels': (2, 3, 4),
      'width': 1.0,
      'neck': True,
      'hidden': 256,
      # None: that of the fusion.
      'head_size': config_dict.placeholder(int),
      'weighted': True,
      'template_size': 127,
      'search_size': 255,
      'context_amount': 0.5,
      'wide_search': 'never',
    }
  )


def _sets() -> ConfigDict:
  """Pairs an epoch, -1 for one of each video, and the largest distance."""
  return ConfigDict(
    {
      'imagenet_vid': {'num_use': 100_000, 'gap': 100},
      # One frame a second.
      'youtube_bb': {'num_use': -1, 'gap': 3},
      # Single images.
      'coco': {'num_use': -1, 'gap': 1},
      'imagenet_det': {'num_use': -1, 'gap': 1},
    }
  )


def _augment() -> ConfigDict:
  return ConfigDict(
    {
      'template': {
        'shift': 4.0,
        'scale': 0.05,
        'color': 1.0,
        'blur': 0.0,
        'flip': 0.0,
      },
      'search': {
        'shift': 64.0,
        'scale': 0.18,
        'color': 1.0,
        'blur': 0.2,
        'flip': 0.0,
      },
      'grey': 0.0,
    }
  )


def _phases() -> ConfigDict:
  """The backbone is frozen for ten epochs; its first layers always are."""
  return unfrozen_at(10, '[234]', 0.1)


def unfrozen_at(epoch: int, layers: str, rate: float) -> ConfigDict:
  """Phases of a backbone that is frozen until `epoch`.

  Args:
    epoch: When its later layers begin to train.
    layers: Their numbers, as an expression.
    rate: Factor on their learning rate.
  """
  return ConfigDict(
    {
      'frozen': FROZEN,
      'unfrozen': {
        'from_epoch': epoch,
        'rates': (
          (f'backbone/layer{layers}', rate),
          ('backbone/', 0.0),
          ('', 1.0),
        ),
      },
    }
  )


_ALEXNET = {
  'tracker': {
    'levels': (5,),
    'neck': False,
    'weighted': False,
    'search_size': 287,
  },
  'data': {'negative': 0.05},
  'schedule': {'first_rate': 5e-3, 'peak_rate': 1e-2, 'last_rate': 5e-4},
  'phases': unfrozen_at(10, '[45]', 1.0),
  # 128 pairs on each of 16 GPUs; a smaller search crop than in tracking.
  'train': {'epochs': 50, 'batch_size': 2048, 'search_size': 255},
}
# What a backbone changes in the recipe. Source: the released experiments of
# pysot; of MobileNetV2 they have no training: its phases are ours; of the
# smaller ResNets they have nothing: what they change is nothing either.
BACKBONES = {
  'resnet18': {},
  'resnet34': {},
  'resnet50': {},
  'mobilenet_v2': {
    'tracker': {'levels': (3, 5, 7), 'width': 1.4, 'weighted': False},
    'phases': unfrozen_at(10, '[4567]', 0.1),
  },
  'alexnet': _ALEXNET,
  'alexnet_legacy': _ALEXNET,
}
