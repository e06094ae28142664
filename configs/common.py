"""Recipe of SiamRPN++, which SiamBAN adopted; all configs start from it.

Each section of a config holds the keyword arguments of a function or class:

    tracker       acm_jax.trackers.make; without this section, the tracker is
                  that of acm-jax train --init_from
    hparams       acm_jax.tracking.contract.Hparams
    tuned         values of hparams that were tuned on a benchmark, for
                  acm-jax evaluate --hparams BENCHMARK; keys are names of
                  benchmarks
    sets          data_pipelines.mixture.DataSet; keys are names of data sets
    own           acm_jax.training.sections.Own, for the data set `own`, which
                  is the user's own sequences (optional)
    data          data_pipelines.pipeline.train_batches
    synthetic     data_pipelines.synthetic_set.ensure (presets only)
    augment       acm_jax.training.augment.Distortion; the subsections template
                  and search hold arguments of acm_jax.training.augment.Ranges
    optimizer     acm_jax.training.optimizer.make
    schedule      acm_jax.training.schedule.rate_per_epoch
    phases        acm_jax.training.schedule.make_phase; keys are names of phases
    teacher       weights of the losses of
                  acm_jax.tracking.contract.Tracker.imitation, for
                  acm-jax train --teacher (optional)
    validation    acm_jax.training.sections.Validation, for
                  acm-jax train --validation_dir (optional)
    train         acm_jax.training.sections.Train
    log           acm_jax.training.sections.Log
    checkpoints   acm_jax.training.sections.Saving
    sharding      acm_jax.training.sharding.Sharding

The value `precision` is the precision of matrix products, an argument of
jax.default_matmul_precision; `tracker.dtype` is the type that the network
computes in.
"""

from ml_collections import ConfigDict, config_dict

# Config section `optimizer` for each optimizer; keys are names.
OPTIMIZERS = {
  'sgd': {
    'name': 'sgd',
    'momentum': 0.9,
    'weight_decay': 1e-4,
    'clip_norm': 10.0,
  },
  'adamw': {
    'name': 'adamw',
    'b1': 0.9,
    'b2': 0.999,
    'eps': 1e-8,
    'weight_decay': 1e-4,
    'clip_norm': 10.0,
  },
}
# Config of a phase in which the backbone is frozen. `rates` are pairs of a
# regular expression for parameters and a factor on their learning rate; the
# first match counts.
FROZEN = {
  'from_epoch': 0,
  'rates': (('backbone/', 0.0), ('', 1.0)),
}


def words(arg: str | None) -> list[str]:
  """Splits the argument of a config at its commas.

  Capital letters and dashes become small letters and underscores, except in the
  names of data sets, which are names of folders.
  """
  return [
    word if word.startswith('sets=') else word.casefold().replace('-', '_')
    for word in (arg.split(',') if arg else [])
  ]


def recipe() -> ConfigDict:
  """Returns an unlocked config with the recipe of SiamRPN++ with ResNet-50.

  The caller adds the sections `hparams` and `tuned`. To the section `tracker`,
  the caller adds the name of the tracker and the fusion.

  Source: the released code of pysot (arXiv:1812.11703).
  """
  config = ConfigDict()
  config.precision = 'default'
  config.tracker = _tracker()
  config.sets = _sets()
  # `workers` is the number of processes that decode images if the source is
  # 'memory'.
  config.data = ConfigDict(
    {
      'source': 'records',
      'negative': 0.2,
      'same_category': 0.0,
      'workers': 0,
    }
  )
  config.augment = _augment()
  config.optimizer = ConfigDict(OPTIMIZERS['sgd'])
  config.schedule = ConfigDict(
    {
      'warmup_epochs': 5,
      'first_rate': 1e-3,
      'peak_rate': 5e-3,
      'last_rate': 5e-4,
    }
  )
  config.phases = _phases()
  # The official code sums the gradients of all GPUs and clips the norm of the
  # sum. This library clips the norm of the mean gradient of the batch, unless
  # `gradient_factor` is set to the number of these GPUs.
  config.train = ConfigDict(
    {
      'epochs': 20,
      'pairs_per_epoch': 600_000,
      'batch_size': 224,
      'seed': 0,
      # 0 stands for tracker.search_size.
      'search_size': 0,
      'ema_decay': 0.0,
      'accumulate': 1,
      'norm_groups': 1,
      'gradient_factor': 1.0,
      'remat': False,
    }
  )
  # With fsdp=N, every parameter that can be split is split over N devices.
  config.sharding = ConfigDict({'fsdp': 1, 'rules': (('', 'fsdp'),)})
  config.log = ConfigDict({'every': 20, 'wandb': ''})
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
      # None stands for the head size that the fusion requires.
      'head_size': config_dict.placeholder(int),
      'weighted': True,
      'template_size': 127,
      'search_size': 255,
      'context_amount': 0.5,
      'smallest_side': 10.0,
      'wide_search': 'never',
      'dtype': 'float32',
    }
  )


def _sets() -> ConfigDict:
  """Returns the section `sets`.

  `num_use` is the number of pairs per epoch; -1 stands for one pair per video.
  `gap` is the largest difference between the frame numbers of a positive pair.
  """
  return ConfigDict(
    {
      'imagenet_vid': {'num_use': 100_000, 'gap': 100},
      # YouTube-BB has one frame per second.
      'youtube_bb': {'num_use': -1, 'gap': 3},
      # COCO and ImageNet DET hold single images.
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
  """Returns phases that freeze the whole backbone for ten epochs.

  The stem and the first stage of the backbone stay frozen afterwards.
  """
  return unfrozen_at(10, '[234]', 0.1)


def unfrozen_at(epoch: int, layers: str, rate: float) -> ConfigDict:
  """Returns phases that freeze the whole backbone until `epoch`.

  From `epoch` on, some layers of the backbone train; its other layers stay
  frozen.

  Args:
    epoch: First epoch, counted from 0, in which layers of the backbone train.
    layers: Regular expression that matches the number of each layer that
      trains, such as '[234]' for layer2, layer3 and layer4.
    rate: Factor on the learning rate of these layers.
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
  # Half of the rates in the experiment, because the official code multiplies
  # them by BASE_LR / LR.KWARGS.start_lr.
  'schedule': {'first_rate': 2.5e-3, 'peak_rate': 5e-3, 'last_rate': 2.5e-4},
  'phases': unfrozen_at(10, '[45]', 1.0),
  # 128 pairs on each of 16 GPUs. The search crop is smaller than in tracking.
  'train': {'epochs': 50, 'batch_size': 2048, 'search_size': 255},
}
# Changes of the recipe for each backbone. Source: the released experiments of
# pysot. No experiment trains MobileNetV2, so its phases are our choice. There
# are no experiments with ResNet-18 and ResNet-34, so these backbones use the
# recipe of ResNet-50.
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
