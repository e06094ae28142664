"""A config: SiamBAN-ACM as narrow as it goes, frozen and then unfrozen."""

from ml_collections import ConfigDict

from configs import siamban_acm


def get_config(arg: None = None) -> ConfigDict:
  """The config; there are no arguments."""
  config = siamban_acm.get_config('quickstart,tiny')
  frozen = {
    'from_epoch': 0,
    'backbone': (),
    'rates': (('backbone/', 0.0), ('', 1.0)),
  }
  unfrozen = {
    'from_epoch': 1,
    'backbone': (False, False, False, True, True),
    'rates': (('backbone/', 0.1), ('', 1.0)),
  }
  with config.unlocked():
    config.phases = ConfigDict({'frozen': frozen, 'unfrozen': unfrozen})
    config.tracker.update(width=1 / 12, hidden=8, search_size=143)
    config.data.source = 'memory'
    config.synthetic.update(sequences=2, frames=4)
    config.train.update(epochs=3, pairs_per_epoch=8, batch_size=4)
    config.schedule.warmup_epochs = 0
    config.log.every = 1
    config.checkpoints.every = 3
  return config
