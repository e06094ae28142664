"""SiamRPN++ACM: SiamRPN++ with asymmetric convolution and the box-size prior.

    python -m acm_jax.train --config configs/siamrpn_acm.py
    python -m acm_jax.train --config configs/siamrpn_acm.py:quickstart

The full recipe has not been run yet.

Deviation: the authors released no code for SiamRPN++ACM. Here ACM replaces the
correlation in every level and branch, with the head that the authors released
for SiamBAN. The recipe is that of SiamRPN++.

Source: arXiv:2012.02776.
"""

from ml_collections import ConfigDict

from configs import siamrpn


def get_config(arg: str | None = None) -> ConfigDict:
  """Returns the config; `configs.presets` describes `arg`."""
  return siamrpn.get_config(arg, fusion='acm')
