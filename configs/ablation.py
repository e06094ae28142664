"""Comparison of ACM with each tracker's own fusion, at a small size.

    acm-jax train --config ablation:siamban,acm --init_from BACKBONE \
      --data_dir DATA --config.train.seed=1

Two words follow the colon. The first is the tracker: siamfc, siamrpn, siamban
or nanotrack. The second is the form of its fusion:

    own       the tracker's own correlation
    acm       ACM as published, with the box prior, a 3x3 convolution after the
              sum and, in SiamRPN++ and SiamBAN, 3x3 kernels in the head
    swap      ACM in the place of the correlation and nothing else: with the box
              prior, without the 3x3 convolution, and with the head of `own`
    no_prior  ACM as published, without the box prior

Everything else is equal. All trackers have the backbone of NanoTrackV3 with
stride 16, which starts from the weights in --init_from. Its first blocks and
its statistics are frozen, and its last blocks train at a tenth of the rate.
Nothing is validated, so that nothing is chosen on held-out data.

`benchmarks/ablation.py` runs the whole comparison. The recipe is our choice for
two CPU cores.
"""

from ml_collections import ConfigDict

from configs import common, nanotrack, siamban, siamfc, siamrpn

# Config, and the name of its own fusion.
TRACKERS = {
  'siamfc': (siamfc.get_config, 'xcorr'),
  'siamrpn': (siamrpn.get_config, 'dw_xcorr'),
  'siamban': (siamban.get_config, 'dw_xcorr'),
  'nanotrack': (nanotrack.get_config, 'nano_xcorr'),
}
# Options of ACM; None for the tracker's own fusion.
FORMS = {
  'own': None,
  'acm': {'prior': True, 'extra_conv': True},
  'swap': {'prior': True, 'extra_conv': False},
  'no_prior': {'prior': False, 'extra_conv': True},
}
# Channels of the neck and the heads, as in NanoTrackV3.
_HIDDEN = 96


def get_config(arg: str | None = None) -> ConfigDict:
  """Returns the config.

  Args:
    arg: Tracker and form of its fusion, separated by a comma (default:
      'siamban,acm').

  Raises:
    ValueError: `arg` is unknown.
  """
  words = common.words(arg or 'siamban,acm')
  if len(words) != 2 or words[0] not in TRACKERS or words[1] not in FORMS:
    raise ValueError(
      f'config argument {arg!r} is unknown; give TRACKER,FORM: one of '
      f'{", ".join(TRACKERS)}, and one of {", ".join(FORMS)}'
    )
  tracker, form = words
  make, own = TRACKERS[tracker]
  config = make().unlock()
  _fuse(config.tracker, tracker, own, form)
  _train(config)
  return config.lock()


def _fuse(section: ConfigDict, tracker: str, own: str, form: str) -> None:
  """Sets the backbone and the fusion in the section `tracker`."""
  section.update(backbone='mobilenet_v3_small', levels=(9,), width=1.0)
  options = FORMS[form]
  section.fusion = own if options is None else 'acm'
  section.fusion_options = ConfigDict(options or {})
  if tracker in ('siamrpn', 'siamban'):
    section.hidden = _HIDDEN
    if form == 'swap':
      section.head_size = 1
  if tracker == 'siamrpn':
    # Anchors of 64 px, as at stride 8.
    section.anchor_scales = (4.0,)


def _train(config: ConfigDict) -> None:
  """Sets the data and the recipe, which are the same for all trackers."""
  config.sets = ConfigDict(
    {
      'composed': {'weight': 0.6, 'gap': 24},
      'davis': {'weight': 0.4, 'gap': 60},
    }
  )
  config.data.update(source='memory', negative=0.2)
  config.augment = common.recipe().augment
  config.optimizer = ConfigDict(common.OPTIMIZERS['adamw'])
  config.schedule.update(
    warmup_epochs=1, first_rate=1e-4, peak_rate=1e-3, last_rate=5e-5
  )
  # SiamFC's own correlation has no weights.
  rest = () if config.tracker.fusion == 'xcorr' else (('', 1.0),)
  config.phases = ConfigDict(
    {
      'all': {
        'from_epoch': 0,
        'rates': (
          ('backbone/(stem|block[123])/', 0.0),
          ('backbone/', 0.1),
          *rest,
        ),
        'frozen_statistics': ('backbone/',),
      }
    }
  )
  config.train.update(
    epochs=10,
    pairs_per_epoch=1600,
    batch_size=16,
    search_size=0,
    ema_decay=0.995,
  )
  config.log.every = 50
  config.checkpoints.update(every=500, keep=1)
