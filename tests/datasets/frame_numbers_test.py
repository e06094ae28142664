"""Numbers of frames: constant and varying rates, gaps and jumps of time."""

import numpy as np
import pytest

from acm_jax.datasets.frame_numbers import Numbering, constant_step

SECOND = 1000.0


def number(timestamps, step, packets=(), durations=None, first=None, damage=()):
  """Returns the numbers of frames, and the numbers of missing frames."""
  numbering = Numbering(step, SECOND, first)
  for timestamp in packets:
    numbering.add_packet(timestamp)
  for timestamp in damage:
    numbering.add_damage(timestamp)
  found = []
  for index, timestamp in enumerate(timestamps):
    duration = durations[index] if durations else None
    numbered = numbering.add_frame(timestamp, duration)
    found.append(numbered and numbered[0])
  numbering.end(None)
  return found, [n for numbers in numbering.missing for n in numbers]


@pytest.mark.parametrize('rate', [23.976, 25, 59.94, 240], ids=str)
def test_a_constant_rate_is_found_in_rounded_timestamps(rate):
  timestamps = np.rint(np.arange(250) * SECOND / rate).astype(int)
  damaged = np.delete(timestamps, [*range(3, 20), 100, 180]).tolist()
  # Rounding at both ends of a run of frames, spread over the run.
  assert constant_step(damaged) == pytest.approx(SECOND / rate, abs=0.02)


def test_a_varying_rate_has_no_step():
  rng = np.random.default_rng(0)
  assert constant_step(np.cumsum(rng.integers(20, 70, 100)).tolist()) is None


@pytest.mark.parametrize('timestamps', [[], [5], [5, 5]], ids=str)
def test_a_single_frame_has_no_step(timestamps):
  assert constant_step(timestamps) is None


def test_gaps_of_time_next_to_damage_count_at_a_constant_rate():
  times = [0, 33, 67, 200, 233, 400]
  found = number(times, SECOND / 30, damage=[200, 400])
  assert found == ([0, 1, 2, 6, 7, 12], [3, 4, 5, 8, 9, 10, 11])


@pytest.mark.parametrize('damage', [(), [4000]], ids=str)
@pytest.mark.parametrize('gap', [21, 25, 40, 80, 2000], ids=str)
def test_gaps_of_time_without_damage_are_skipped_frames(gap, damage):
  """The camera skips frames or pauses; a frame is late; two are close."""
  late = [0, 40, 40 + gap, 120 + gap, 121 + gap]
  assert number(late, 40.0, damage=damage) == ([*range(5)], [])


def test_damage_of_packets_that_are_decoded_later_counts():
  """The packet after the damage is that of a frame behind the next ones."""
  assert number([0, 80, 120], 40.0, damage=[400]) == ([0, 2, 3], [1])


def test_a_frame_in_part_is_damage():
  numbering = Numbering(40.0, SECOND)
  numbering.add_frame(0, None)
  numbering.add_failure(120, None)
  assert numbering.add_frame(160, None)[0] == 4
  assert numbering.missing == [range(1, 4)]


def test_gaps_of_time_are_normal_if_the_rate_varies():
  assert number([0, 20, 95, 100], None) == ([0, 1, 2, 3], [])


def test_packets_without_a_frame_count_if_the_rate_varies():
  packets = 0, 20, 95, 100
  found = number([0, 100], None, packets, durations=[20, 30])
  assert found == ([0, 3], [1, 2])


def test_two_packets_of_one_frame_count_once():
  packets = range(0, 160, 20)
  assert number([0, 40, 80, 120], 40.0, packets) == ([0, 1, 2, 3], [])


def test_a_frame_with_a_long_duration_is_followed_by_the_next_number():
  found = number([0, 40, 160, 200], 40.0, durations=[40, 120, 40, 40])
  assert found == ([0, 1, 2, 3], [])


def test_missing_first_frames_count():
  packets = range(0, 160, 40)
  assert number([80, 120], 40.0, packets, first=0) == ([2, 3], [0, 1])


def test_a_frame_before_the_stated_beginning_is_the_first_one():
  assert number([0, 40, 80], 40.0, first=80) == ([0, 1, 2], [])


def test_numbers_go_on_where_time_starts_again():
  times = [*range(0, 4000, 40)] * 2
  assert number(times, 40.0) == ([*range(200)], [])


def test_a_timestamp_that_cannot_be_right_loses_no_number():
  times = [0, 40, 10**15, 120, 160]
  assert number(times, 40.0) == ([0, 1, 2, 3, 4], [])


def test_a_frame_that_comes_after_it_was_missed_has_no_number():
  packets = range(0, 200, 40)
  found = number([0, 40, 120, 80, 160], 40.0, packets)
  assert found == ([0, 1, 3, None, 4], [2])


@pytest.mark.parametrize('step', [None, 1.0, 40.0], ids=str)
def test_frames_with_equal_or_falling_times_are_kept(step):
  times = [0, 0, 1, 1, 2, 40, 39, 80]
  packets = sorted({*times} - {39})
  assert number(times, step, packets) == ([*range(8)], [])


def test_frames_without_timestamps_are_counted():
  assert number([None] * 3, 40.0) == ([0, 1, 2], [])


def test_missing_last_frames_count():
  numbering = Numbering(40.0, SECOND)
  numbering.add_frame(0, None)
  numbering.end(200.0)
  assert numbering.missing == [range(1, 5)]


@pytest.mark.parametrize('each', [1, 2], ids=str)
def test_packets_that_could_not_be_read_count(each):
  """Frames may consist of several packets."""
  numbering = Numbering(None, SECOND)
  for time in range(0, 80, 40 // each):
    numbering.add_packet(time)
  for time in 0, 40:
    numbering.add_frame(time, 40)
  numbering.end(None, total=3 + each)
  assert numbering.missing == [range(2, 5 - each)]


def test_last_packets_without_a_frame_count():
  found = number([0], 40.0, packets=[0, 40, 80])
  assert found == ([0], [1, 2])


def test_times_are_seconds_since_the_first_frame():
  numbering = Numbering(None, SECOND)
  times = [numbering.add_frame(t, None)[1] for t in (1500, 1520, 1600)]
  # Rounding of binary fractions.
  assert times == pytest.approx([0, 0.02, 0.1])
