"""Damage of a video file that FFmpeg passes over without an error.

In some formats packets follow one another. Bytes between two packets that
belong to neither, or packets that overlap, are then damage.
"""

import av

# FFmpeg's name of Matroska and WebM.
MATROSKA = 'matroska,webm'
# Most bytes between two packets of an intact file, for formats in which packets
# follow one another. Other distances are damage, of which FFmpeg says nothing,
# but goes on at the next place that it understands.
_OVERHEAD = {MATROSKA: 40, 'flv': 30, 'ogg': 600, 'asf': 1600}
# FFmpeg's name of the transparency of pictures in WebM.
_ALPHA = 'matroska_block_additional'


class Gaps:
  """Places of a file between packets that belong to no packet."""

  def __init__(self, kind: str):
    """Prepares the search; `kind` is FFmpeg's name of the format."""
    self._overhead = _OVERHEAD.get(kind)
    # Several packets may have the position of the page that they are part of;
    # only the first of them may reach into the page.
    self._paged = kind in ('ogg', 'asf')
    # Position of the last packet, and of its end.
    self._last, self._end = None, 0

  def before(self, packet: av.Packet) -> bool:
    """Returns whether data before a packet, the next one, is damaged."""
    position = packet.pos
    if self._overhead is None or position is None:
      return False
    distance = position - self._end
    # Headers that all packets share may be left out in the file, so that a
    # packet seems to reach into the next one.
    damaged = self._last not in (None, position) and (
      distance > self._overhead
      or (distance < -self._overhead and not self._paged)
    )
    self._last = position
    self._end = max(self._end, position) + packet.size + _alpha_size(packet)
    return damaged


def _alpha_size(packet: av.Packet) -> int:
  """Returns the size of a packet's transparency, which WebM stores apart."""
  if not packet.has_sidedata(_ALPHA):
    return 0
  return packet.get_sidedata(_ALPHA).data_size
