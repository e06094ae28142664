"""Fine-tuning: trains any tracker further on a folder of your own sequences.

    acm-jax train --config finetune --init_from small --data_dir SEQUENCES
    acm-jax train --config finetune:backbone=0 --init_from RUN@best \
      --data_dir SEQUENCES

The tracker and its hyper-parameters are those of --init_from, which is a model
or a training run. SEQUENCES is a folder in the layout `folder`, which
`acm-jax prepare --list` describes; `acm-jax annotations` writes it from boxes
that were exported from CVAT, COCO or MOT.

A fifth of the videos is held out. The run tracks the held-out sequences after
every epoch, stops when that no longer improves, and keeps the best checkpoint.
`--config.own.held_out=0.3` holds out more.

Argument after the colon:

    backbone=FACTOR        factor on the learning rate of the backbone; 0
                           freezes the backbone, and SiamFC, whose backbone is
                           the whole network, needs 1

The recipe is our choice. A trained tracker needs only small changes, and few
sequences show only few backgrounds: the learning rates are small, those of the
backbone a tenth of the others, no statistics of batch norms change, and the
weights are averaged.
"""

from ml_collections import ConfigDict

from configs import common

# Factor on the learning rate of the backbone, without the argument `backbone`.
_BACKBONE_RATE = 0.1


def get_config(arg: str | None = None) -> ConfigDict:
  """Returns the config.

  Args:
    arg: 'backbone=FACTOR'; None or '' for the default factor.

  Raises:
    ValueError: `arg` is unknown.
  """
  config = common.recipe()
  # These sections are those of the trained tracker.
  del config.tracker, config.precision
  config.own = ConfigDict({'held_out': 0.2, 'stride': 1})
  config.sets = ConfigDict({'own': {'weight': 1.0, 'gap': 60}})
  config.data.source = 'memory'
  config.optimizer = ConfigDict(common.OPTIMIZERS['adamw'])
  config.schedule.update(
    warmup_epochs=1, first_rate=3e-6, peak_rate=3e-5, last_rate=3e-6
  )
  config.phases = ConfigDict(
    {
      'all': {
        'from_epoch': 0,
        'rates': _rates(arg),
        'frozen_statistics': ('',),
      }
    }
  )
  config.train.update(epochs=12, pairs_per_epoch=640, batch_size=16)
  config.train.ema_decay = 0.98
  # The names of the sequences are known when the run has chosen them.
  config.validation = ConfigDict(
    {'benchmark': 'folder', 'sequences': (), 'pairs': 0, 'patience': 4}
  )
  # Once per epoch.
  config.checkpoints.every = 40
  return config.lock()


def _rates(arg: str | None) -> tuple[tuple[str, float], ...]:
  """Returns the factors on the learning rates; see `common.FROZEN`."""
  factor = _BACKBONE_RATE
  if arg:
    name, _, value = arg.partition('=')
    try:
      factor = float(value)
    except ValueError:
      name = ''
    if name != 'backbone' or not 0 <= factor <= 1:
      raise ValueError(
        f'config argument {arg!r} is unknown; the only choice is '
        'backbone=FACTOR, with FACTOR between 0 and 1'
      )
  return (('', 1.0),) if factor == 1 else (('backbone/', factor), ('', 1.0))
