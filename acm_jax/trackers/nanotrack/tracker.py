"""NanoTrack as a `Tracker`: SiamBAN with another network."""

from acm_jax.modules import backbone as backbones
from acm_jax.modules import fusion as fusions
from acm_jax.trackers.nanotrack.fusion import MIDDLE
from acm_jax.trackers.nanotrack.network import (
  FUSIONS,
  PARTS,
  NanoTrackNetwork,
  make_parts,
)
from acm_jax.trackers.siamban.tracker import SiamBan


class NanoTrack(SiamBan):
  """Light network of stride 16 with the targets, loss and decoding of SiamBAN.

  Source: NanoTrackV3, released without a paper (Apache-2.0).
  """


def make(
  *,
  template_size: int = 127,
  search_size: int = 255,
  context_amount: float = 0.5,
  smallest_side: float = 10.0,
  backbone: str = 'mobilenet_v3_small',
  levels: tuple[int, ...] = (9,),
  width: float = 1.0,
  hidden: int = 96,
  fusion: str = 'nano_xcorr',
  fusion_options: dict[str, int] | None = None,
) -> NanoTrack:
  """Builds NanoTrack.

  Args:
    template_size: Side of the template crop, px.
    search_size: Side of the search crop, px.
    context_amount: Length added to the target's width and height for context,
      as a fraction of their sum.
    smallest_side: Lower limit of the width and height of tracked boxes, px.
    backbone: Name of the backbone.
    levels: Level of the backbone that is fused, as a tuple of one number.
    width: Factor that multiplies the backbone's channels.
    hidden: Channels of the fusion and the towers.
    fusion: Name of the fusion. 'nano_xcorr' is the published fusion, 'acm' is
      ACM, and 'residual_acm' is the sum of 'nano_xcorr' and 'acm'.
    fusion_options: Arguments of `nanotrack.fusion.NanoAcm`.

  Raises:
    ValueError: A name or option is unknown, there is not exactly one level, the
      backbone lacks the level, or the number of cells of the template features
      or of ACM's kernels is odd or out of range.
  """
  options = fusion_options or {}
  if fusion not in FUSIONS:
    raise ValueError(
      f'`fusion`={fusion!r}: unknown to nanotrack; choose from '
      f'{", ".join(FUSIONS)}'
    )
  if len(levels) != 1:
    raise ValueError(
      f'`levels`={tuple(levels)}: nanotrack fuses exactly one level; give one'
    )
  network = NanoTrackNetwork(
    backbone=backbones.make(backbone, levels=tuple(levels), width=width),
    template_size=template_size,
    fusion=fusion,
    acm_options=_as_pairs(fusion, options),
    hidden=hidden,
  )
  cells, template_cells = options.get('cells', MIDDLE), network.template_cells
  if template_cells % 2 or template_cells < MIDDLE:
    raise ValueError(
      f'`template_size`={template_size}: the template features have '
      f'{template_cells} cells per side; choose a size for which the number of '
      f'cells is even, {MIDDLE} or more'
    )
  if cells % 2 or not 2 <= cells <= template_cells:
    raise ValueError(
      f'`fusion_options`: cells={cells}: give an even number from 2 to '
      f'{template_cells}, the number of cells per side of the template '
      'features'
    )
  for part in make_parts(
    fusion, hidden, template_cells, network.acm_options
  ).values():
    fusions.check(part)
  return NanoTrack(
    network=network,
    template_size=template_size,
    search_size=search_size,
    context_amount=context_amount,
    smallest_side=smallest_side,
  )


def _as_pairs(
  fusion: str, options: dict[str, int]
) -> tuple[tuple[str, int], ...]:
  """Returns options as (name, value) pairs, after checking their names."""
  known = fusions.options(PARTS['acm']) if 'acm' in FUSIONS[fusion] else ()
  fusions.check_options(fusion, options, known)
  return tuple(sorted(options.items()))
