"""Numbers of the frames of a video, from its packets and their timestamps.

A frame that cannot be decoded leaves no trace in the output of a decoder, so
that counting the decoded frames gives later frames too low a number. Packets
that gave no frame count, too. Only the time tells of packets that are lost; but
a camera may also skip frames or pause. So a gap of time counts as lost frames
only next to damage of the file. Timestamps, durations and steps are in ticks of
the video's own time base.
"""

from collections.abc import Sequence

import numpy as np

# The rate of a video is constant if the differences between its timestamps are
# multiples of one step, the time from frame to frame. A difference counts as a
# multiple even if it is off by this fraction of the step, because many rates
# are only nearly constant, plus this number of ticks, because timestamps are
# rounded to ticks.
_INACCURACY, _ROUNDING = 0.1, 1.5
# Largest fraction of the differences that may be no multiples.
_MOST_OFF = 0.1
# Longest time, s, for which frames may be missing.
_LONGEST_GAP = 24 * 60 * 60
# Largest number of frames between the places of a frame in the orders of
# decoding and of time, in H.264 and H.265.
_REORDERED = 16


def constant_step(timestamps: Sequence[int]) -> float | None:
  """Returns the time from frame to frame, or None if it varies.

  Args:
    timestamps: Timestamps of packets of the video, in any order. Some may be
      missing.
  """
  differences = np.diff(np.unique(timestamps))
  if not len(differences):
    return None
  step = np.median(differences)
  counts = np.maximum(np.rint(differences / step), 1)
  off = abs(differences - counts * step) > _INACCURACY * step + _ROUNDING
  if off.mean() > _MOST_OFF:
    return None
  # The mean is more accurate than the median if timestamps are rounded.
  return float(differences[(counts == 1) & ~off].mean())


class Numbering:
  """Numbers decoded frames, and notes which numbers are missing.

  Attributes:
    number: Number of the last frame, counted from 0; -1 before the first frame.
    missing: Ranges of the numbers of frames that were not decoded, ascending.
  """

  def __init__(
    self, step: float | None, second: float, first: int | None = None
  ):
    """Initialises the numbering.

    Args:
      step: Time from frame to frame, or None if it varies or is unknown.
      second: Number of ticks in a second.
      first: Timestamp of frame 0 (default: that of the first decoded frame).
    """
    self.number = -1
    self.missing: list[range] = []
    self._step, self._second = step, second
    self._margin = _REORDERED * (step or 0.0)
    # First timestamp; timestamp of the last frame, and the time of its end.
    self._origin, self._last, self._end = None, 0.0, 0.0
    # Time after which a packet does not belong to the last frame, which may
    # consist of several.
    self._next = 0.0
    if first is not None:
      self._begin(float(first))
    self._packets = 0
    # Times of packets after the last frame; of packets that gave no frame; of
    # damage around the last frame or after it.
    self._waiting: list[float] = []
    self._undecoded: set[float] = set()
    self._damage: list[float] = []
    # What is added to timestamps, after jumps back in time.
    self._shift = 0.0

  def add_packet(self, timestamp: int | None) -> None:
    """Notes the timestamp, if known, of a packet passed to the decoder."""
    self._packets += 1
    if timestamp is not None:
      self._waiting.append(timestamp + self._shift)

  def add_damage(self, timestamp: int | None) -> None:
    """Notes the timestamp, if known, of a packet next to damage."""
    if timestamp is not None:
      self._damage.append(timestamp + self._shift)

  def add_frame(
    self, timestamp: int | None, duration: int | None
  ) -> tuple[int, float] | None:
    """Numbers the next decoded frame.

    Args:
      timestamp: Timestamp of the frame, if known.
      duration: Duration of the frame; None or 0 if unknown.

    Returns:
      The number, and the time since the beginning of the video, s. None if
      the frame was counted as missing before: decoders give some frames too
      late after damage.
    """
    time = self._end
    if timestamp is not None:
      time = timestamp + self._shift
    if self._origin is None or (self.number < 0 and time < self._origin):
      self._begin(time)
    elif not -1 <= (time - self._last) / self._second <= _LONGEST_GAP:
      # Time starts again in joined recordings, or a timestamp is wrong.
      self._shift += self._end - time
      self._waiting.clear()
      time = self._end
    elif time in self._undecoded or (
      time <= self._last and self._damaged_until(time)
    ):
      return None
    self._skip(self._lost_before(time))
    self.number += 1
    durations = [t for t in (self._step, duration) if t]
    self._last, self._end = time, time + max(durations, default=0)
    self._next = time + min(durations, default=0) / 2
    self._waiting = [t for t in self._waiting if t > time]
    self._damage = [t for t in self._damage if t >= time - self._margin]
    return self.number, float((time - self._origin) / self._second)

  def add_failure(self, timestamp: int | None, duration: int | None) -> None:
    """Notes a frame that the decoder gave only in part."""
    self.add_damage(timestamp)
    if numbered := self.add_frame(timestamp, duration):
      self._miss(range(numbered[0], numbered[0] + 1))

  def end(self, stated: float | None, total: int | None = None) -> None:
    """Notes the frames that are missing at the end of the video.

    Args:
      stated: Time of the end according to the video, if known.
      total: Number of packets according to the video, if known.
    """
    count = sum(t > self._next for t in self._waiting)
    if total is not None:
      count += total - self._packets
    elif stated is not None and self._step:
      count = max(count, round((stated - self._end) / self._step))
    self._skip(count)

  def _begin(self, time: float) -> None:
    self._origin = self._end = time
    self._last = time - (self._step or 1)
    self._next = time - (self._step or 1) / 2

  def _damaged_until(self, time: float) -> bool:
    """Returns whether there is damage between the last frame and `time`."""
    return any(t <= time + self._margin for t in self._damage)

  def _lost_before(self, time: float) -> int:
    """Returns the number of frames between the last frame and `time`."""
    undecoded = [t for t in self._waiting if self._next < t < time]
    count = len(undecoded)
    if self._step:
      # A damaged frame may come in several packets.
      damaged = count or self._damaged_until(time)
      count = round((time - self._end) / self._step) if damaged else 0
    if count > 0:
      self._undecoded.update(undecoded)
    return count

  def _skip(self, count: int) -> None:
    """Notes that the next `count` frames are missing."""
    if count > 0:
      self._miss(range(self.number + 1, self.number + 1 + count))
      self.number += count

  def _miss(self, numbers: range) -> None:
    if self.missing and self.missing[-1].stop == numbers.start:
      numbers = range(self.missing.pop().start, numbers.stop)
    self.missing.append(numbers)
