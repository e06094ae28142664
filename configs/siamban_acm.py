"""SiamBAN-ACM: SiamBAN with asymmetric convolution and the box-size prior.

    python -m acm_jax.train --config configs/siamban_acm.py
    python -m acm_jax.train --config configs/siamban_acm.py:quickstart

The full recipe has not been run yet. The head is the released one, with its
3x3 kernels; tracker.head_size=1 and
tracker.fusion_options.extra_conv=False make it the pure swap of the fusion.

Source: arXiv:2012.02776 and the released code; the recipe is SiamBAN's, as
the authors say.
"""

from ml_collections import ConfigDict

from configs import siamban


def get_config(arg: str | None = None) -> ConfigDict:
  """The config; `arg`: see `configs.presets`."""
  return siamban.get_config(arg, fusion='acm')
