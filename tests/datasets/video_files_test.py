"""Video files: numbers and times of frames, also in damaged files."""

import contextlib
import struct

import av
import cv2
import numpy as np
import pytest

from acm_jax.datasets import videos
from tests.datasets import stamped_videos
from tests.datasets.stamped_videos import stamp, stamped

# Each frame is coded on its own, so that no frame is a guess.
CODECS = {
  'mkv': {'codec': 'mjpeg'},
  'webm': {'codec': 'libvpx', 'g': '1', 'deadline': 'realtime'},
  'ts': {'codec': 'libx264', 'g': '1'},
  'flv': {'codec': 'libx264', 'g': '1'},
  'mpg': {'codec': 'mpeg2video', 'g': '1'},
  'wmv': {'codec': 'wmv2', 'g': '1'},
  'mp4': {'codec': 'mjpeg'},
  'mov': {'codec': 'mjpeg'},
  'ogv': {'codec': 'libvpx', 'g': '1', 'deadline': 'realtime'},
}


GRID = [40 * i for i in range(60)]
UNEVEN = {
  'late': [*GRID[:20], GRID[20] + 25, *GRID[21:]],
  'skipped': [*GRID[:30], *GRID[31:]],
  'close': [*GRID[:20], GRID[19] + 1, *GRID[21:]],
  'slower': [*GRID[:30], *range(GRID[30], 4000, 80)],
  'paused': [*GRID[:30], *(time + 2000 for time in GRID[30:])],
}


def read(path):
  """Returns the numbers, the stamps and the times of the frames of a video."""
  frames = list(videos.open_video(str(path)).frames)
  numbers = [frame.number for frame in frames]
  stamps = [stamp(frame.image) for frame in frames]
  return numbers, stamps, [frame.time for frame in frames]


def warnings(caplog):
  return [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize('kind', ['mkv', 'mp4', 'avi', 'ts'])
@pytest.mark.parametrize('codec', ['libx264', 'mpeg4'])
def test_frames_of_an_intact_file_have_their_numbers_and_times(
  tmp_path, caplog, codec, kind
):
  # Groups of 5 frames; some refer to later ones.
  options = {'g': '5', 'bf': '2'}
  path = stamped_videos.write(tmp_path / f'a.{kind}', codec, **options)
  numbers, stamps, times = read(path)
  assert numbers == stamps == [*range(40)]
  # Timestamps of some formats are rounded to milliseconds.
  assert times == pytest.approx(np.arange(40) / 25, abs=1e-3)
  assert warnings(caplog) == []


@pytest.mark.parametrize('places', [[0.5], [0.3, 0.7]], ids=str)
@pytest.mark.parametrize(
  ('kind', 'damage'),
  [
    *(
      (kind, damage)
      for kind in ('mkv', 'webm', 'ts', 'flv', 'mpg', 'ogv')
      for damage in (stamped_videos.cut, stamped_videos.blank)
    ),
    # In WMV, data that is cut out leaves no more bytes than padding does.
    ('wmv', stamped_videos.blank),
  ],
)
def test_frames_keep_their_numbers_behind_damage(
  tmp_path, caplog, kind, places, damage
):
  path = stamped_videos.write(tmp_path / f'a.{kind}', **CODECS[kind])
  for place in reversed(places):
    damage(path, place, place + 0.1)
  numbers, stamps, times = read(path)
  wrong = np.count_nonzero(np.subtract(numbers, stamps))
  # Decoders show some frames that are incomplete.
  assert wrong <= (0 if kind == 'mkv' else len(places))
  # FFmpeg gives some frames of MPEG program streams the time of the next.
  accuracy = 0.0401 if kind == 'mpg' else 1e-3
  assert times == pytest.approx(np.array(numbers) / 25, abs=accuracy)
  assert numbers[-1] == 39
  absent = sorted({*range(40)} - {*numbers})
  assert len(places) <= len(absent) < 20
  (warning,) = warnings(caplog)
  assert f'a.{kind}: {len(absent)} of 40 frames cannot be decoded' in warning
  assert ranges(absent) in warning


@pytest.mark.parametrize('end', [0.505, 0.52, 0.55], ids=str)
def test_small_damage_is_found(tmp_path, end):
  """FFmpeg reports none; the last packet reaches into the packets behind."""
  whole = stamped_videos.write(tmp_path / 'whole.mkv')
  for begin in np.arange(0.4, 0.5, 0.01):
    path = tmp_path / 'a.mkv'
    path.write_bytes(whole.read_bytes())
    stamped_videos.cut(path, begin, end)
    numbers, stamps, _ = read(path)
    assert numbers[-1] == stamps[-1] == 39


def ranges(numbers):
  runs = np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1)
  return ', '.join(
    f'{run[0]}-{run[-1]}' if len(run) > 1 else f'{run[0]}' for run in runs
  )


def test_reading_goes_on_after_frames_that_cannot_be_decoded(tmp_path, caplog):
  path = stamped_videos.write(tmp_path / 'a.mp4', 'libx264', g='10', bf='2')
  stamped_videos.blank(path, 0.35, 0.45)
  numbers, stamps, _ = read(path)
  assert numbers[:10] == stamps[:10] == [*range(10)]
  assert numbers[-10:] == stamps[-10:] == [*range(30, 40)]
  assert len(numbers) < 40
  assert len(warnings(caplog)) == 1


def test_undecodable_first_frames_are_counted(tmp_path, caplog):
  path = stamped_videos.write(tmp_path / 'a.mp4', 'libx264', g='1')
  stamped_videos.blank(
    path, path.read_bytes().index(b'mdat') / path.stat().st_size + 0.005, 0.1
  )
  numbers, stamps, _ = read(path)
  assert numbers == stamps == [*range(numbers[0], 40)]
  assert 0 < numbers[0] < 10
  assert len(warnings(caplog)) == 1


@pytest.mark.parametrize('kind', ['mkv', 'mp4', 'avi'])
def test_frames_that_a_truncated_file_lacks_are_listed(tmp_path, caplog, kind):
  path = stamped_videos.write(tmp_path / f'whole.{kind}')
  # The index of an MP4 is at the end, unless it is moved.
  options = {'movflags': 'faststart'} if kind == 'mp4' else {}
  path = stamped_videos.copied(path, tmp_path / f'a.{kind}', **options)
  stamped_videos.cut(path, 0.5, 1)
  numbers, stamps, _ = read(path)
  assert numbers == stamps == [*range(len(numbers))]
  assert 10 < len(numbers) < 30
  (warning,) = warnings(caplog)
  assert f'{40 - len(numbers)} of 40 frames' in warning
  assert f': {len(numbers)}-39' in warning
  # AVI has no timestamps.
  assert ('too low a number' in warning) == (kind == 'avi')


@pytest.mark.parametrize(
  'kind', ['mkv', 'webm', 'flv', 'ts', 'wmv', 'mp4', 'mov']
)
@pytest.mark.parametrize('late', [0, 1500], ids=str)
def test_a_video_may_begin_late(tmp_path, caplog, kind, late):
  """The end that Matroska states is a time, not a duration."""
  whole = stamped_videos.write(tmp_path / f'whole.{kind}', **CODECS[kind])
  path = tmp_path / f'a.{kind}'
  video = stamped_videos.copied(whole, path, delay=late)
  # ASF states no duration of the pictures.
  assert videos.open_video(str(video)).length in (39, 40, 41, None)
  numbers, stamps, _ = read(video)
  assert numbers == stamps == [*range(40)]
  assert warnings(caplog) == []


@pytest.mark.parametrize('kind', ['mkv', 'flv', 'wmv', 'mp4', 'ts'])
def test_sound_may_be_longer_than_the_pictures(tmp_path, caplog, kind):
  whole = stamped_videos.write(tmp_path / f'whole.{kind}', **CODECS[kind])
  path = stamped_videos.with_sound(whole, tmp_path / f'a.{kind}')
  numbers, stamps, _ = read(path)
  assert numbers == stamps == [*range(40)]
  assert warnings(caplog) == []


@pytest.mark.parametrize('kind', ['flv', 'webm'])
def test_missing_last_frames_are_listed(tmp_path, caplog, kind):
  path = stamped_videos.write(tmp_path / f'a.{kind}', frames=80, **CODECS[kind])
  assert videos.open_video(str(path)).length in range(80, 83)
  stamped_videos.cut(path, 0.3, 1)
  numbers, stamps, _ = read(path)
  assert numbers == stamps == [*range(len(numbers))]
  (warning,) = warnings(caplog)
  assert f': {len(numbers)}-' in warning


def test_the_rate_is_that_of_most_frames(tmp_path):
  """FFmpeg guesses 200 fps, which would suit all times."""
  for kind, codec in ('mp4', 'mjpeg'), ('flv', 'libx264'), ('ts', 'libx264'):
    path = tmp_path / f'a.{kind}'
    stamped_videos.write(path, codec, milliseconds=UNEVEN['late'], bf='0')
    assert videos.open_video(str(path)).fps == pytest.approx(25, rel=1e-3)


def test_a_slowed_down_video_has_its_mean_rate(tmp_path):
  path = tmp_path / 'a.mp4'
  stamped_videos.write(path, milliseconds=UNEVEN['slower'], rate=25)
  # 30 frames of 40 ms and 35 of 80 ms.
  assert videos.open_video(str(path)).fps == pytest.approx(65 / 4, rel=0.02)


def test_frames_hidden_by_an_edit_list_are_not_missing(tmp_path, caplog):
  whole = stamped_videos.write(tmp_path / 'a.mp4', 'libx264', g='10', bf='2')
  trimmed = stamped_videos.copied(whole, tmp_path / 'b.mp4', delay=-13)
  video = videos.open_video(str(trimmed))
  assert video.length == 27
  numbers, stamps, times = read(trimmed)
  assert numbers == [*range(27)]
  assert stamps == [*range(13, 40)]
  assert times[0] == 0
  assert warnings(caplog) == []


@pytest.mark.parametrize(
  ('kind', 'codec'), [('mkv', 'mpeg4'), ('webm', 'libvpx'), ('mp4', 'libx264')]
)
def test_a_varying_rate_is_no_damage(tmp_path, caplog, kind, codec):
  times = np.cumsum(np.random.default_rng(0).integers(20, 70, 40)).tolist()
  path = tmp_path / f'a.{kind}'
  fast = {'deadline': 'realtime'} if codec == 'libvpx' else {}
  stamped_videos.write(path, codec, milliseconds=times, rate=30, **fast)
  numbers, stamps, found = read(path)
  assert numbers == stamps == [*range(40)]
  # Timestamps are rounded to milliseconds.
  expected = (np.array(times) - times[0]) / 1000
  assert found == pytest.approx(expected, abs=1e-3)
  assert warnings(caplog) == []


@pytest.mark.parametrize('times', UNEVEN.values(), ids=UNEVEN)
@pytest.mark.parametrize(
  ('kind', 'codec', 'bf'),
  [
    ('mkv', 'mjpeg', '0'),
    ('mkv', 'libx264', '2'),
    ('webm', 'libvpx', '0'),
    ('flv', 'libx264', '0'),
    ('ts', 'libx264', '0'),
    ('mp4', 'libx264', '2'),
    ('mov', 'libx264', '3'),
  ],
)
def test_frames_that_a_camera_skips_or_delays_are_not_missing(
  tmp_path, caplog, kind, codec, bf, times
):
  fast = {'deadline': 'realtime'} if codec == 'libvpx' else {'bf': bf}
  path = tmp_path / f'a.{kind}'
  stamped_videos.write(path, codec, milliseconds=times, **fast)
  numbers, stamps, found = read(path)
  assert numbers == stamps == [*range(len(times))]
  assert found == pytest.approx(np.array(times) / 1000, abs=1e-3)
  assert warnings(caplog) == []


def test_a_pause_far_from_damage_is_no_damage(tmp_path):
  path = tmp_path / 'a.mkv'
  stamped_videos.write(path, milliseconds=UNEVEN['paused'])
  stamped_videos.cut(path, 0.9, 0.93)
  numbers, stamps, _ = read(path)
  assert numbers == stamps
  assert numbers[-1] == 59


def test_frames_with_equal_timestamps_are_kept(tmp_path, caplog):
  """Matroska rounds times to milliseconds."""
  path = stamped_videos.write(tmp_path / 'a.mkv', frames=100, rate=2000)
  numbers, stamps, _ = read(path)
  assert numbers == stamps == [*range(100)]
  assert warnings(caplog) == []


@pytest.mark.parametrize('kind', ['mp4', 'mkv'])
def test_times_may_be_those_of_decoding(tmp_path, caplog, kind):
  whole = stamped_videos.write(tmp_path / 'whole.mp4', 'libx264', bf='2')
  path = tmp_path / f'a.{kind}'
  with av.open(str(whole)) as old, av.open(str(path), 'w') as new:
    stream = new.add_stream_from_template(old.streams.video[0])
    for number, packet in enumerate(old.demux(video=0)):
      if packet.size:
        packet.stream = stream
        packet.pts = packet.dts = number * packet.duration
        new.mux(packet)
  numbers, stamps, times = read(path)
  assert numbers == stamps == [*range(40)]
  assert times == pytest.approx(np.arange(40) / 25, abs=1e-3)
  assert warnings(caplog) == []


def test_frames_without_timestamps_are_counted(tmp_path, caplog):
  path = stamped_videos.write(tmp_path / 'a.h264', 'libx264', bf='2')
  numbers, stamps, times = read(path)
  assert numbers == stamps == [*range(40)]
  assert times == pytest.approx(np.arange(40) / 25)
  assert warnings(caplog) == []


def test_joined_recordings_are_read_to_their_end(tmp_path, caplog):
  path = stamped_videos.write(tmp_path / 'a.ts', 'libx264', g='5')
  path.write_bytes(2 * path.read_bytes())
  numbers, stamps, times = read(path)
  assert numbers == [*range(80)]
  assert stamps == 2 * [*range(40)]
  assert times == pytest.approx(np.arange(80) / 25)
  assert warnings(caplog) == []


@pytest.mark.parametrize(
  ('name', 'options'),
  [
    ('a.webm', '-c:v libvpx -pix_fmt yuva420p -auto-alt-ref 0 -c:a libopus'),
    ('a.mkv', '-c:v prores -c:a aac'),
    ('a.wmv', '-c:v wmv2 -b:v 3M -c:a wmav2'),
  ],
  ids=['transparency', 'header left out', 'padding'],
)
def test_a_pause_in_a_format_with_gaps_is_no_damage(
  tmp_path, caplog, name, options
):
  times = UNEVEN['paused']
  paused = stamped_videos.write(tmp_path / 'p.mkv', milliseconds=times)
  path = tmp_path / name
  stamped_videos.transcode(paused, path, *options.split())
  numbers = [frame.number for frame in videos.open_video(str(path)).frames]
  assert numbers == [*range(len(times))]
  assert warnings(caplog) == []


def test_damage_that_looks_like_a_further_stream_does_not_end_a_video(tmp_path):
  source = stamped_videos.write(tmp_path / 'b.mkv', frames=100)
  options = ['-c:v', 'libx264', '-g', '10', '-b:v', '1M', '-c:a', 'aac']
  path = stamped_videos.transcode(source, tmp_path / 'a.flv', *options)
  intact = path.read_bytes()
  for begin in (0.15, 0.27, 0.39, 0.51, 0.63, 0.75):
    path.write_bytes(intact)
    stamped_videos.blank(path, begin, begin + 0.03)
    numbers = [frame.number for frame in videos.open_video(str(path)).frames]
    assert numbers == sorted(set(numbers))
    assert 60 < len(numbers) < 100


@pytest.mark.parametrize('mirrored', [False, True], ids=['', 'mirrored'])
@pytest.mark.parametrize('turns', [0, 1, 2, 3])
def test_frames_are_turned_as_the_file_says(tmp_path, turns, mirrored):
  path = stamped_videos.write(tmp_path / 'a.mp4', frames=2)
  data = bytearray(path.read_bytes())
  # The last nine numbers of the track header before the size, 16.16 and 2.30.
  c, s = [(1, 0), (0, -1), (-1, 0), (0, 1)][turns]
  side = -1 if mirrored else 1
  numbers = (side * c, s, 0, side * -s, c, 0, 0, 0)
  matrix = [v << 16 for v in numbers] + [1 << 30]
  place = data.index(b'tkhd') + 44
  data[place : place + 36] = struct.pack('>9i', *matrix)
  path.write_bytes(data)
  frame = next(videos.open_video(str(path)).frames).image
  expected = np.rot90(stamped(0), turns)[:, ::side]
  # The codec is lossy, but another turn would differ far more.
  assert abs(frame.astype(int) - expected).mean() < 12


def test_a_file_with_only_sound_is_refused(tmp_path):
  with av.open(str(tmp_path / 'a.mp4'), 'w') as container:
    stream = container.add_stream('aac', rate=8000)
    silence = np.zeros((1, 1024), np.float32)
    frame = av.AudioFrame.from_ndarray(silence, format='fltp', layout='mono')
    frame.sample_rate = 8000
    container.mux(stream.encode(frame))
    container.mux(stream.encode())
  with pytest.raises(ValueError, match=r'a\.mp4: cannot be decoded as a video'):
    videos.open_video(str(tmp_path / 'a.mp4'))


@pytest.mark.parametrize('name', ['a.mp4', 'a.avi', 'a.mkv'])
def test_libraries_write_nothing_about_a_video(tmp_path, name, capfd):
  path = tmp_path / name
  code = cv2.VideoWriter_fourcc(*('MJPG' if name == 'a.avi' else 'mp4v'))
  writer = cv2.VideoWriter(str(path), code, 15, (64, 48))
  rng = np.random.default_rng(0)
  for _ in range(12):
    writer.write(rng.integers(0, 256, (48, 64, 3), np.uint8))
  writer.release()
  data = bytearray(path.read_bytes())
  for position in range(2000, len(data) - 2000, 97):
    data[position] ^= 0xFF
  path.write_bytes(data)
  capfd.readouterr()
  with contextlib.suppress(ValueError):
    list(videos.open_video(str(path)).frames)
  assert ''.join(capfd.readouterr()) == ''
