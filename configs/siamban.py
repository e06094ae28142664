"""SiamBAN with ResNet-50 and depth-wise correlation, the official recipe.

    python -m acm_jax.train --config configs/siamban.py
    python -m acm_jax.train --config configs/siamban.py:quickstart

The full recipe has not been run yet.

Source of the numbers: the released SiamBAN code and its VOT2018 experiment
(arXiv:2003.06761), where nothing else is said.
"""

from ml_collections import ConfigDict

from configs import common


def get_config(arg: str | None = None) -> ConfigDict:
  """The config; `arg`: presets, see `configs.common`."""
  config = ConfigDict()
  config.precision = 'default'
  config.tracker = ConfigDict(
    {
      'name': 'siamban',
      'backbone': 'resnet50',
      'levels': (2, 3, 4),
      'width': 1.0,
      'neck': True,
      'hidden': 256,
      'fusion': 'dw_xcorr',
      'fusion_options': ConfigDict(),
      'head_size': 1,
      'template_size': 127,
      'search_size': 255,
      'context_amount': 0.5,
    }
  )
  # Found by the authors on VOT2018 itself.
  config.hparams = ConfigDict(
    {
      'penalty_k': 0.08513642556896711,
      'window_influence': 0.4632532824922313,
      'size_lr': 0.44418184746462425,
      # Ours: below it the place is less likely the target than not.
      'lost_score': 0.5,
    }
  )
  config.sets = _sets()
  config.data = ConfigDict({'source': 'records', 'negative': 0.2})
  config.augment = _augment()
  config.optimizer = ConfigDict(
    {'momentum': 0.9, 'weight_decay': 1e-4, 'clip_norm': 10.0}
  )
  config.schedule = ConfigDict(
    {
      'warmup_epochs': 5,
      'first_rate': 1e-3,
      'peak_rate': 5e-3,
      'last_rate': 5e-5,
    }
  )
  config.phases = _phases()
  # 28 pairs on each of three GPUs. The official code sums the gradients of
  # the GPUs before it clips their norm; here they are the mean over the batch.
  config.train = ConfigDict(
    {
      'epochs': 20,
      'pairs_per_epoch': 1_000_000,
      'batch_size': 84,
      'seed': 0,
    }
  )
  config.log = ConfigDict({'every': 20})
  config.checkpoints = ConfigDict({'every': 2000, 'keep': 3})
  return common.apply(config, arg)


def _sets() -> ConfigDict:
  """Pairs an epoch as weights, and the largest distance of two frames."""
  return ConfigDict(
    {
      'imagenet_vid': {'weight': 100_000.0, 'gap': 100},
      # One frame a second.
      'youtube_bb': {'weight': 200_000.0, 'gap': 3},
      # Single images.
      'coco': {'weight': 100_000.0, 'gap': 1},
      'imagenet_det': {'weight': 200_000.0, 'gap': 1},
      'got10k': {'weight': 200_000.0, 'gap': 100},
      'lasot': {'weight': 200_000.0, 'gap': 100},
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
      # 0.2 in the experiment for OTB.
      'grey': 0.0,
    }
  )


def _phases() -> ConfigDict:
  """The backbone is frozen for ten epochs; its first layers always are."""
  return ConfigDict(
    {
      'frozen': {
        'from_epoch': 0,
        'backbone': (),
        'rates': (('backbone/', 0.0), ('', 1.0)),
      },
      'unfrozen': {
        'from_epoch': 10,
        # The stem, then stages 1 to 4.
        'backbone': (False, False, True, True, True),
        'rates': (
          ('backbone/layer[234]', 0.1),
          ('backbone/', 0.0),
          ('', 1.0),
        ),
      },
    }
  )
