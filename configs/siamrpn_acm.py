"""SiamRPN++ACM: SiamRPN++ with asymmetric convolution and the box-size prior.

    acm-jax train --config siamrpn_acm
    acm-jax train --config siamrpn_acm:quickstart

The full recipe has not been run yet.

The authors released no code for SiamRPN++ACM. This config replaces the
correlation with ACM in every level and branch. The head is built like the
released head of SiamBAN-ACM. The recipe is that of SiamRPN++.

Source: arXiv:2012.02776.
"""

from ml_collections import ConfigDict

from configs import siamrpn


def get_config(arg: str | None = None) -> ConfigDict:
  """Returns the config.

  Args:
    arg: Comma-separated arguments, such as 'quickstart' or 'backbone=resnet18';
      `configs.presets` lists all arguments.

  Raises:
    ValueError: `arg` is unknown, or its parts cannot be combined.
  """
  return siamrpn.get_config(arg, fusion='acm')
