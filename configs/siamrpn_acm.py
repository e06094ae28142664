"""SiamRPN++ACM: SiamRPN++ with asymmetric convolution and the box-size prior.

    acm-jax train --config siamrpn_acm
    acm-jax train --config siamrpn_acm:quickstart

The full recipe has not been run yet.

Deviation: the authors released no code for SiamRPN++ACM. This config replaces
the correlation by ACM in every level and branch, with the head that the authors
released for SiamBAN. The recipe is that of SiamRPN++.

Source: arXiv:2012.02776.
"""

from ml_collections import ConfigDict

from configs import siamrpn


def get_config(arg: str | None = None) -> ConfigDict:
  """Returns the config; `configs.presets` describes `arg`."""
  return siamrpn.get_config(arg, fusion='acm')
