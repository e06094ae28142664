"""SiamFC-ACM: SiamFC with asymmetric convolution and the box-size prior.

    python -m acm_jax.train --config configs/siamfc_acm.py
    python -m acm_jax.train --config configs/siamfc_acm.py:quickstart

The full recipe has not been run yet.

Deviation: the authors released no code of it, and do not say whether the prior
joins. The recipe is that of SiamFC; tracker.fusion_options.prior=False leaves
the prior out.

Source: arXiv:2012.02776.
"""

from ml_collections import ConfigDict

from configs import siamfc


def get_config(arg: str | None = None) -> ConfigDict:
  """The config; `arg`: see `configs.presets`."""
  return siamfc.get_config(arg, fusion='acm')
