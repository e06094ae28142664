"""SiamFC-ACM: SiamFC with asymmetric convolution and the box-size prior.

    acm-jax train --config siamfc_acm
    acm-jax train --config siamfc_acm:quickstart

The full recipe has not been run yet.

The authors released no code for SiamFC-ACM, and the paper does not say whether
SiamFC-ACM uses the prior. This config uses the prior, with the recipe of
SiamFC. To leave out the prior, set tracker.fusion_options.prior=False.

Source: arXiv:2012.02776.
"""

from ml_collections import ConfigDict

from configs import siamfc


def get_config(arg: str | None = None) -> ConfigDict:
  """Returns the config.

  Args:
    arg: Comma-separated arguments, such as 'quickstart' or 'backbone=resnet18';
      `configs.presets` lists all arguments.

  Raises:
    ValueError: `arg` is unknown, or its parts cannot be combined.
  """
  return siamfc.get_config(arg, fusion='acm')
