"""SiamFC-ACM: SiamFC with asymmetric convolution and the box-size prior.

    acm-jax train --config siamfc_acm
    acm-jax train --config siamfc_acm:quickstart

The full recipe has not been run yet.

Deviation: the authors released no code for SiamFC-ACM and do not say whether it
uses the prior. The recipe is that of SiamFC. To leave out the prior, set
tracker.fusion_options.prior=False.

Source: arXiv:2012.02776.
"""

from ml_collections import ConfigDict

from configs import siamfc


def get_config(arg: str | None = None) -> ConfigDict:
  """Returns the config; `configs.presets` describes `arg`."""
  return siamfc.get_config(arg, fusion='acm')
