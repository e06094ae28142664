"""NanoTrack as a `Tracker`: SiamBAN with another network."""

from acm_jax.modules import backbone as backbones
from acm_jax.trackers.nanotrack.fusion import MIDDLE
from acm_jax.trackers.nanotrack.network import FUSIONS, NanoTrackNetwork
from acm_jax.trackers.siamban.tracker import SiamBan


class NanoTrack(SiamBan):
  """SiamBAN's targets, loss and decoding on a light network of stride 16.

  Source: NanoTrackV3, released without a paper (Apache-2.0).
  """


def make(
  *,
  template_size: int = 127,
  search_size: int = 255,
  context_amount: float = 0.5,
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
    context_amount: Margin of the crops.
    backbone: Name of the backbone.
    levels: The one level of it that is fused.
    width: Factor on the backbone's channels.
    hidden: Channels of fusion and towers.
    fusion: 'nano_xcorr', the published one; 'acm', ACM in its place; or
      'residual_acm', ACM beside it.
    fusion_options: Arguments of `nanotrack.fusion.NanoAcm`.

  Raises:
    ValueError: A name is unknown, the level is not the backbone's, or the
      middle of the template does not fit into it.
  """
  options = fusion_options or {}
  if fusion not in FUSIONS:
    raise ValueError(f'no fusion {fusion!r}: there are {", ".join(FUSIONS)}')
  if len(levels) != 1:
    raise ValueError(f'levels={tuple(levels)}: nanotrack fuses one level')
  network = NanoTrackNetwork(
    backbone=backbones.make(backbone, levels=tuple(levels), width=width),
    template_size=template_size,
    fusion=fusion,
    acm_options=_checked(fusion, options),
    hidden=hidden,
  )
  cells, most = options.get('cells', MIDDLE), network.template_cells
  if most % 2 or most < MIDDLE:
    raise ValueError(
      f'template_size={template_size}: {most} cells a side; nanotrack '
      f'crops the middle {MIDDLE} of an even number'
    )
  if cells % 2 or not 2 <= cells <= most:
    raise ValueError(
      f'fusion_options.cells={cells}: an even number from 2 to the {most} '
      'cells of the template'
    )
  return NanoTrack(network, template_size, search_size, context_amount)


def _checked(fusion: str, options: dict[str, int]) -> tuple:
  """Options as pairs, all of them ACM's."""
  known = ('cells', 'prior', 'extra_conv') if fusion != 'nano_xcorr' else ()
  if unknown := sorted(set(options) - set(known)):
    raise ValueError(
      f'fusion_options: no {", ".join(unknown)} of fusion {fusion}; there are '
      f'{", ".join(known) or "none"}'
    )
  return tuple(sorted(options.items()))
