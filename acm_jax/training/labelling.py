"""Makes labels for unlabelled video with a trained tracker.

Each stretch of a video is followed there and back from proposed or given boxes,
all targets at once. What both ways agree on (`agreement`) is written in the
layout `folder`, which `data_pipelines.prepare` reads.
"""

import collections
import dataclasses
import os
import shutil
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from acm_jax.datasets import sequences
from acm_jax.datasets.videos import open_video
from acm_jax.host.progress import Progress
from acm_jax.host.staging import staged
from acm_jax.tracking.engine import check_box
from acm_jax.tracking.video_tracker import VideoTracker
from acm_jax.training import agreement
from acm_jax.training.agreement import KEPT, STILL, Passes
from data_pipelines import proposals
from data_pipelines.stretches import Stretch, stretches

# Frames of the shortest stretch; the last of them never agrees.
_SHORTEST = agreement.LEAST_FRAMES + 1
# Moving targets required for each target that does not move: where template and
# search region are cut out of the same place, there is little to learn.
_MOVING_PER_STILL = 3
# Times that the first frame is searched for a proposed target, until the box
# fits what the tracker takes for an object, and proposals for each target.
_SETTLE, _CANDIDATES = 8, 2
# What benchmarks call the folder of a video's images.
_IMAGE_FOLDERS = ('img', 'color')

SHORT, EMPTY, FOLLOWED = 'too short', 'without a proposal', 'followed'


@dataclasses.dataclass(frozen=True)
class Settings:
  """What is followed and what is kept.

  Attributes:
    targets: Targets that are followed at once, and most of a stretch that are
      proposed.
    length: Most frames of a stretch.
    every: Distance in the video between frames of a stretch.
    overlap: Least IoU of the boxes of both ways.
    score: Score that both exceed.
    seed: Of the choice of proposals.
  """

  targets: int = 8
  length: int = 60
  every: int = 1
  overlap: float = 0.7
  score: float = 0.6
  seed: int = 0

  def __post_init__(self):
    """Raises ValueError if a number is out of its range."""
    least = {'targets': 1, 'length': _SHORTEST, 'every': 1, 'seed': 0}
    for name, bound in least.items():
      if getattr(self, name) < bound:
        raise ValueError(f'{name}={getattr(self, name)}: give {bound} or more')
    for name in ('overlap', 'score'):
      if not 0 <= getattr(self, name) < 1:
        raise ValueError(
          f'{name}={getattr(self, name)}: give at least 0 and less than 1'
        )


class Clip(NamedTuple):
  """A video and where its targets begin.

  Attributes:
    source: A file or a folder of images.
    starts: Boxes x, y, w, h by the number of their frame; proposed if not
      given.
  """

  source: str
  starts: dict[int, Float[np.ndarray, 'n 4']] | None = None


class Labels(NamedTuple):
  """Tracks of n targets in a stretch of t frames.

  Attributes:
    box_xywh: Box in each frame, px, 0-based.
    agrees: Frames in which the box is to be trusted.
    outcomes: What becomes of each track, in the words of `agreement`.
  """

  box_xywh: Float[np.ndarray, 't n 4']
  agrees: Bool[np.ndarray, 't n']
  outcomes: list[str]


@dataclasses.dataclass
class Report:
  """What became of a video.

  Attributes:
    name: Of the video, or of several.
    frames: Frames that were followed.
    labels: Boxes that were written.
    seconds: How long that took.
    stretches: Number of stretches by what became of them.
    tracks: Number of tracks by what became of them.
  """

  name: str
  frames: int = 0
  labels: int = 0
  seconds: float = 0.0
  stretches: collections.Counter = dataclasses.field(
    default_factory=collections.Counter
  )
  tracks: collections.Counter = dataclasses.field(
    default_factory=collections.Counter
  )

  def __str__(self) -> str:
    rate = self.frames / self.seconds if self.seconds else 0
    return (
      f'{self.name}: stretches: {_counted(self.stretches)}; tracks: '
      f'{_counted(self.tracks)}; labels: {self.labels}; frames: {self.frames}, '
      f'{rate:.1f} a second'
    )


def read_clips(videos: Sequence[str], starts: Sequence[str] = ()) -> list[Clip]:
  """Joins videos with the files of boxes that their targets begin with.

  Args:
    videos: Files or folders of images.
    starts: For each video a file with rows of frame,x,y,w,h; or none.

  Raises:
    FileNotFoundError: A file of boxes is not there.
    ValueError: There are not as many files as videos, a file has no rows, or a
      row is not five numbers that begin with a whole one from 0.
  """
  if len(starts) not in (0, len(videos)):
    raise ValueError(
      f'{len(starts)} files of boxes for {len(videos)} videos: give one for '
      'each video, or none'
    )
  read = [_read_starts(Path(path)) for path in starts]
  return list(map(Clip, videos, read or [None] * len(videos)))


def label(
  tracker: VideoTracker, clips: Sequence[Clip], out: Path, settings: Settings
) -> list[Report]:
  """Writes a sequence for each track that is kept; all appear at once.

  A sequence is called VIDEO.NUMBER.FRAME.TARGET: its video's name and number,
  its first frame and its target, so that training knows a sequence of a video
  that it must not see (`training.data.check_held_out`). Its images have the
  numbers of the video's frames and end with the last one that has a label;
  where the file system can, those of one stretch share their place on the disk.

  Args:
    tracker: What follows targets.
    clips: What to label.
    out: Folder that must not exist yet.
    settings: What is followed and kept.

  Returns:
    A report of each clip.

  Raises:
    OSError: A video is not there.
    RuntimeError: No track was kept, or an image cannot be written.
    ValueError: `out` exists, a video is a camera or cannot be read, or a start
      lies outside of its frame or beyond the end of its video.
  """
  for clip in clips:
    # Before hours of work, not after.
    if open_video(clip.source).live:
      raise ValueError(f'{clip.source}: a camera; record a file and label that')
  reports = []
  with staged(out) as folder, Progress(out.name, None, 'frames') as shown:
    done = 0
    for number, clip in enumerate(clips):
      report = Report(clip.source)
      reports.append(report)
      prefix = folder / f'{_video_name(clip.source)}.{number:03d}'
      for _ in _label_clip(tracker, clip, prefix, settings, report):
        shown.update(done + report.frames, Path(clip.source).name)
      done += report.frames
    if not total(reports).tracks[KEPT]:
      raise RuntimeError(f'no track was kept: {total(reports)}')
  return reports


def total(reports: Iterable[Report]) -> Report:
  """Adds up reports."""
  reports = list(reports)
  return Report(
    f'all {len(reports)}',
    sum(report.frames for report in reports),
    sum(report.labels for report in reports),
    sum(report.seconds for report in reports),
    sum((report.stretches for report in reports), collections.Counter()),
    sum((report.tracks for report in reports), collections.Counter()),
  )


def follow(
  tracker: VideoTracker,
  frames: Sequence[UInt8[np.ndarray, 'h w 3']],
  start_xywh: Float[np.ndarray, 'n 4'],
  settings: Settings,
) -> Labels:
  """Follows targets there and back, and decides which of them to keep.

  Args:
    tracker: What follows targets.
    frames: RGB frames of a stretch.
    start_xywh: Targets in the first frame, px, 0-based.
    settings: What is kept, and how many targets are followed at once.
  """
  there = _track(tracker, frames, start_xywh, settings.targets)
  back = _track(tracker, frames[::-1], there[0][-1], settings.targets)
  passes = Passes(
    *(np.stack([a, b[::-1]]) for a, b in zip(there, back, strict=True))
  )
  agrees = agreement.agreed(passes, settings.overlap, settings.score)
  box_xywh = agreement.labels(passes)
  outcomes = [
    agreement.outcome(box_xywh[:, n], agrees[:, n])
    for n in range(len(start_xywh))
  ]
  still = [n for n, what in enumerate(outcomes) if what == STILL]
  for n in still[: outcomes.count(KEPT) // _MOVING_PER_STILL]:
    outcomes[n] = KEPT
  return Labels(box_xywh, agrees, outcomes)


def _read_starts(path: Path) -> dict[int, Float[np.ndarray, 'n 4']]:
  """Boxes by the number of their frame."""
  rows = sequences.read_rows(path, (5,))
  if not rows:
    raise ValueError(f'{path}: no boxes in it; give rows of frame,x,y,w,h')
  found = collections.defaultdict(list)
  for row, (frame, *box) in enumerate(rows, 1):
    if frame < 0 or not frame.is_integer():
      raise ValueError(
        f'{path} row {row}: frame {frame:g}; count frames in whole numbers '
        'from 0'
      )
    found[int(frame)].append(box)
  return {n: np.array(box, np.float32) for n, box in found.items()}


def _video_name(source: str) -> str:
  """Returns the name of a file or folder, or of the folder round its images."""
  path = Path(source).resolve()
  if path.name in _IMAGE_FOLDERS:
    path = path.parent
  return path.name if path.is_dir() else path.stem


def _label_clip(tracker, clip, prefix, settings, report):
  """Labels a video; adds to the report and yields after each stretch."""
  begun, seen = time.monotonic(), set()
  parts = stretches(
    open_video(clip.source).frames, settings.length, settings.every, clip.starts
  )
  for stretch in parts:
    seen.add(stretch.numbers[0])
    if len(stretch.frames) < _SHORTEST:
      report.stretches[SHORT] += 1
    elif not len(start := _starts(tracker, clip, stretch, settings)):
      report.stretches[EMPTY] += 1
    else:
      found = follow(tracker, stretch.frames, start, settings)
      report.labels += _write(prefix, stretch, found)
      report.tracks.update(found.outcomes)
      report.stretches[FOLLOWED] += 1
      report.frames += len(stretch.frames)
    report.seconds = time.monotonic() - begun
    yield
  if beyond := set(clip.starts or ()) - seen:
    raise ValueError(
      f'{clip.source}: ends before frame {min(beyond)}, which has a box to '
      'start from'
    )


def _starts(tracker, clip, stretch, settings) -> Float[np.ndarray, 'n 4']:
  """Boxes in the first frame of a stretch."""
  if clip.starts is None:
    return _proposed(tracker, stretch, settings)
  number, size_hw = stretch.numbers[0], stretch.frames[0].shape[:2]
  try:
    for box_xywh in clip.starts[number]:
      check_box(box_xywh, size_hw)
  except ValueError as error:
    raise ValueError(f'{clip.source} frame {number}: {error}') from None
  return clip.starts[number]


def _proposed(tracker, stretch, settings) -> Float[np.ndarray, 'n 4']:
  """Boxes that the tracker makes of proposals, when it holds on to them."""
  first, lanes = stretch.frames[0], settings.targets
  seed = settings.seed, stretch.numbers[0]
  found = proposals.propose(stretch.frames, _CANDIDATES * lanes, seed)
  if not len(found):
    return found
  box_xywh, score = _track(tracker, [first] * (_SETTLE + 1), found, lanes)
  return proposals.distinct(box_xywh[-1][score[-1] > settings.score])[:lanes]


def _track(
  tracker, frames, start_xywh, lanes
) -> tuple[Float[np.ndarray, 't n 4'], Float[np.ndarray, 't n']]:
  """Boxes and scores in each frame; `lanes` targets are followed at once."""
  parts = []
  for i in range(0, len(start_xywh), lanes):
    found = list(tracker.track(frames, start_xywh[i : i + lanes]))
    parts.append(
      [
        np.array([[getattr(one, name) for one in each] for each in found])
        for name in ('box', 'score')
      ]
    )
  box_xywh, score = zip(*parts, strict=True)
  return np.concatenate(box_xywh, axis=1), np.concatenate(score, axis=1)


def _write(prefix: Path, stretch: Stretch, labels: Labels) -> int:
  """Writes the tracks of a stretch that are kept; returns how many labels."""
  images: dict[str, Path] = {}
  written = 0
  for n, what in enumerate(labels.outcomes):
    if what != KEPT:
      continue
    agrees = labels.agrees[:, n]
    length = np.flatnonzero(agrees)[-1] + 1
    name = f'{prefix.name}.{stretch.numbers[0]:06d}.{n:02d}'
    folder = prefix.with_name(name)
    (folder / 'img').mkdir(parents=True)
    for number, frame in zip(
      stretch.numbers[:length], stretch.frames, strict=False
    ):
      _write_image(folder / 'img' / f'{number:06d}.jpg', frame, images)
    rows = labels.box_xywh[:length, n]
    np.savetxt(folder / 'groundtruth.txt', rows, '%.2f', ',')
    np.savetxt(folder / 'absent.txt', ~agrees[:length], '%d')
    written += int(agrees.sum())
  return written


def _write_image(path: Path, frame, images: dict[str, Path]) -> None:
  """Writes a frame, or links to it if another track has it; see `images`."""
  if same := images.get(path.name):
    try:
      os.link(same, path)
    except OSError:
      # The file system has no hard links.
      shutil.copyfile(same, path)
  elif cv2.imwrite(str(path), cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)):
    images[path.name] = path
  else:
    raise RuntimeError(f'{path}: cannot be written')


def _counted(counts: collections.Counter) -> str:
  """As `6 stood still, 2 kept`."""
  named = (f'{n} {name}' for name, n in counts.most_common())
  return ', '.join(named) or 'none'
