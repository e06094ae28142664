"""Numbers of the frames of a video, derived from their timestamps.

A frame that cannot be decoded leaves no trace in the output of a decoder, so
that counting the decoded frames gives later frames too low a number. The
timestamps tell how many frames are missing. Timestamps, durations and steps are
in ticks of the video's own time base.
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

  If the rate is constant, the time between two decoded frames decides how many
  frames are missing between them. If the rate varies, packets between them that
  gave no frame are counted.

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
    # First timestamp; timestamp of the last frame, and the time of its end.
    self._origin, self._last, self._end = None, 0.0, 0.0
    if first is not None:
      self._begin(float(first))
    # Timestamps of packets after the last frame.
    self._waiting: list[int] = []
    # What is added to timestamps, after jumps back in time.
    self._shift = 0.0

  def add_packet(self, timestamp: int | None) -> None:
    """Notes the timestamp, if known, of a packet passed to the decoder."""
    if timestamp is not None:
      self._waiting.append(timestamp)

  def add_frame(
    self, timestamp: int | None, duration: int | None
  ) -> tuple[int, float] | None:
    """Numbers the next decoded frame.

    Args:
      timestamp: Timestamp of the frame, if known.
      duration: Duration of the frame; None or 0 if unknown.

    Returns:
      The number, and the time since the beginning of the video, s. None if
      the time of the frame has passed: decoders give some frames too late after
      damage.
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
    elif time <= self._last and self._step:
      return None
    self._skip(self._lost_before(time, duration))
    self.number += 1
    self._last, self._end = time, time + max(self._step or 0, duration or 0)
    self._waiting = [t for t in self._waiting if t + self._shift > time]
    return self.number, float((time - self._origin) / self._second)

  def add_failure(self, timestamp: int | None, duration: int | None) -> None:
    """Notes a frame that the decoder gave only in part."""
    if numbered := self.add_frame(timestamp, duration):
      self._miss(range(numbered[0], numbered[0] + 1))

  def end(self, stated: float | None) -> None:
    """Notes the frames that are missing at the end of the video.

    Args:
      stated: Time of the end according to the video, if known.
    """
    step = self._step
    if step is None and self.number >= 0:
      step = (self._end - self._origin) / (self.number + 1)
    # A frame may consist of several packets.
    during = (self._last + self._end) / 2
    count = sum(t + self._shift > during for t in self._waiting)
    if stated is not None and step:
      count = max(count, round((stated - self._end) / step))
    self._skip(count)

  def _begin(self, time: float) -> None:
    self._origin = self._end = time
    self._last = time - (self._step or 1)

  def _lost_before(self, time: float, duration: int | None) -> int:
    """Returns the number of frames between the last frame and `time`."""
    step = self._step or duration or 0
    if not step or time - self._end < step / 2:
      return 0
    if self._step:
      return round((time - self._end) / step)
    return sum(self._last < t + self._shift < time for t in self._waiting)

  def _skip(self, count: int) -> None:
    """Notes that the next `count` frames are missing."""
    if count > 0:
      self._miss(range(self.number + 1, self.number + 1 + count))
      self.number += count

  def _miss(self, numbers: range) -> None:
    if self.missing and self.missing[-1].stop == numbers.start:
      numbers = range(self.missing.pop().start, numbers.stop)
    self.missing.append(numbers)
