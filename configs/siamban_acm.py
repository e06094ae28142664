"""SiamBAN-ACM: SiamBAN with asymmetric convolution and the box-size prior.

    acm-jax train --config siamban_acm
    acm-jax train --config siamban_acm:quickstart

The full recipe has not been run yet. As in the released code, not only the
fusion differs from SiamBAN: a 3x3 convolution follows ACM, and the kernels of
the head are 3x3. To replace the fusion alone, set tracker.head_size=1 and
tracker.fusion_options.extra_conv=False.

Source: arXiv:2012.02776 and the released code. According to the authors, the
recipe is that of SiamBAN.
"""

from ml_collections import ConfigDict

from configs import siamban


def get_config(arg: str | None = None) -> ConfigDict:
  """Returns the config.

  Args:
    arg: Comma-separated arguments, such as 'quickstart' or 'backbone=resnet18';
      `configs.presets` lists all arguments.

  Raises:
    ValueError: `arg` is unknown, or its parts cannot be combined.
  """
  return siamban.get_config(arg, fusion='acm')
