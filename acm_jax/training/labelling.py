"""Labels unlabelled video with a trained tracker.

A video is split into stretches, which are short runs of frames of one shot. In
each stretch, targets are tracked forward and backward. Tracking starts from
boxes that are proposed automatically or given by the user. Boxes on which both
passes agree (see `agreement`) are written in the layout `folder`, which
`acm-jax prepare` reads.
"""

import collections
import dataclasses
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from acm_jax.datasets import addresses, sequences
from acm_jax.datasets.videos import open_video
from acm_jax.host.progress import Progress
from acm_jax.host.staging import staged
from acm_jax.tracking.inputs import check_box
from acm_jax.tracking.video_tracker import VideoTracker
from acm_jax.training import agreement, label_writer
from acm_jax.training.agreement import KEPT, STILL, Passes
from acm_jax.training.label_writer import Labels
from data_pipelines import proposals
from data_pipelines.stretches import Stretch, stretches

# Number of frames in the shortest stretch that is tracked: one more than the
# number in which the passes must agree, because the last frame never counts.
_SHORTEST = agreement.LEAST_FRAMES + 1
# Number of moving targets that must be kept for each still target that is kept.
# Still targets teach little, because template and search region show the same
# location.
_MOVING_PER_STILL = 3
# _SETTLE: Number of times that the first frame is tracked again, which lets the
# box of a proposed target settle on an object. _CANDIDATES: Number of proposals
# in a stretch, as a multiple of `Settings.targets`.
_SETTLE, _CANDIDATES = 8, 2

# Outcomes of a stretch, as reports print them.
SHORT, EMPTY, FOLLOWED = 'too short', 'without a proposal', 'followed'


@dataclasses.dataclass(frozen=True)
class Settings:
  """Settings of tracking and of the selection of tracks.

  Attributes:
    targets: Number of targets that are tracked at once. Also the maximum number
      of targets that are proposed in a stretch.
    length: Maximum number of frames in a stretch.
    every: Distance between consecutive frames of a stretch, in frames of the
      video.
    overlap: Minimum IoU of the boxes of the forward and the backward pass.
    score: Threshold that the scores of both passes must exceed. Also the
      threshold for the scores of proposed targets.
    seed: Random seed for sampling proposals.
  """

  targets: int = 8
  length: int = 60
  every: int = 1
  overlap: float = 0.7
  score: float = 0.6
  seed: int = 0

  def __post_init__(self):
    """Raises ValueError if a number is out of range."""
    least = {'targets': 1, 'length': _SHORTEST, 'every': 1, 'seed': 0}
    for name, bound in least.items():
      if getattr(self, name) < bound:
        raise ValueError(
          f'`{name}`={getattr(self, name)}: give {bound} or more'
        )
    for name in ('overlap', 'score'):
      if not 0 <= getattr(self, name) < 1:
        raise ValueError(
          f'`{name}`={getattr(self, name)}: give at least 0 and less than 1'
        )


class Clip(NamedTuple):
  """A video and the initial boxes of its targets.

  Attributes:
    source: Video, as for `open_video`.
    starts: Boxes x, y, w, h, px, 0-based, from which tracking starts. Keys are
      the numbers of the frames that the boxes belong to, counted from 0. None
      to propose boxes automatically.
  """

  source: str
  starts: dict[int, Float[np.ndarray, 'n 4']] | None = None

  @property
  def shown(self) -> str:
    """The source without what may be secret, for messages."""
    return addresses.shown(self.source)


class _Pass(NamedTuple):
  """Results of tracking n targets through t frames in one direction.

  Attributes:
    box_xywh: Box in each frame, px, 0-based.
    score: Score in each frame.
  """

  box_xywh: Float[np.ndarray, 't n 4']
  score: Float[np.ndarray, 't n']


@dataclasses.dataclass
class Report:
  """Summary of labelling a video, or several videos.

  Attributes:
    name: Name of the video or of the group of videos.
    frames: Number of frames in which targets were tracked.
    labels: Number of written boxes that both passes agree on.
    seconds: Duration of the labelling, s.
    stretches: Counts of stretches; keys are outcomes, such as `SHORT`.
    tracks: Counts of tracks; keys are outcomes, such as `KEPT`.
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
      f'{rate:.1f} per second'
    )


def read_clips(videos: Sequence[str], starts: Sequence[str] = ()) -> list[Clip]:
  """Reads the initial boxes of the targets in each video.

  Args:
    videos: Videos, as for `open_video`.
    starts: Files of boxes, one per video, with rows frame,x,y,w,h. Frames are
      counted from 0; boxes are in px, 0-based (default: boxes are proposed).

  Returns:
    A clip for each video.

  Raises:
    FileNotFoundError: A file of boxes does not exist.
    ValueError: The number of files is not the number of videos, a file is
      empty, or a row does not consist of a frame number and four numbers.
  """
  if len(starts) not in (0, len(videos)):
    raise ValueError(
      f'{len(starts)} files of boxes for {len(videos)} videos: give one for '
      'each video, or none'
    )
  if not starts:
    return [Clip(video) for video in videos]
  return [
    Clip(video, _read_starts(Path(path)))
    for video, path in zip(videos, starts, strict=True)
  ]


def label(
  tracker: VideoTracker, clips: Sequence[Clip], out: Path, settings: Settings
) -> list[Report]:
  """Labels videos, and writes a sequence for each track that is kept.

  Sequences are named VIDEO.NUMBER.FRAME.TARGET: the name of the video, the
  index of the video in `clips`, the number of the first frame, and the index of
  the target. By this name, training recognises and refuses sequences from
  held-out videos (see `training.data.check_held_out`). The images of a sequence
  are numbered like the frames of the video, and end with the last labelled
  frame. The tracks of a stretch share their images as hard links if the file
  system supports hard links.

  Args:
    tracker: Tracker to label with.
    clips: Videos to label.
    out: Output folder, which must not exist. It appears only when all sequences
      are complete.
    settings: Settings of tracking and of the selection of tracks.

  Returns:
    A report for each video.

  Raises:
    OSError: A video does not exist, or a file cannot be written.
    RuntimeError: No track was kept.
    ValueError: `out` exists, a video is live or cannot be read, or an
      initial box cannot be tracked or belongs to a frame that does not exist.
  """
  # Checks all videos before hours of work on the first ones.
  names = []
  for clip in clips:
    video = open_video(clip.source)
    names.append(video.name)
    if video.live:
      raise ValueError(
        f'{clip.shown}: cannot label a camera or a stream; record a video '
        'file and label the file'
      )
  reports = []
  clock = tracker.programs.clock
  with (
    staged(out) as folder,
    Progress(out.name, None, 'frames', clock=clock) as shown,
  ):
    done = 0
    for number, (clip, name) in enumerate(zip(clips, names, strict=True)):
      report = Report(clip.shown)
      reports.append(report)
      prefix = folder / f'{name}.{number:03d}'
      for _ in _label_clip(tracker, clip, prefix, settings, report):
        shown.update(done + report.frames, name)
      done += report.frames
    if not total(reports).tracks[KEPT]:
      raise RuntimeError(
        f'no track was kept: {total(reports)}; lower `overlap` or `score`, or '
        'choose other videos'
      )
  return reports


def total(reports: Iterable[Report]) -> Report:
  """Adds up the reports of several videos."""
  reports = list(reports)
  return Report(
    name=f'all {len(reports)}',
    frames=sum(report.frames for report in reports),
    labels=sum(report.labels for report in reports),
    seconds=sum(report.seconds for report in reports),
    stretches=sum(
      (report.stretches for report in reports), collections.Counter()
    ),
    tracks=sum((report.tracks for report in reports), collections.Counter()),
  )


def follow(
  tracker: VideoTracker,
  frames: Sequence[UInt8[np.ndarray, '_ _ 3']],
  start_xywh: Float[np.ndarray, 'n 4'],
  settings: Settings,
) -> Labels:
  """Tracks targets forward and backward, and decides which tracks to keep.

  Args:
    tracker: Tracker to label with.
    frames: RGB frames of a stretch.
    start_xywh: Boxes of the targets in the first frame, px, 0-based.
    settings: Settings of tracking and of the selection of tracks.
  """
  forward = _track(tracker, frames, start_xywh, settings.targets)
  backward = _track(
    tracker, frames[::-1], forward.box_xywh[-1], settings.targets
  )
  passes = Passes(
    box_xywh=np.stack([forward.box_xywh, backward.box_xywh[::-1]]),
    score=np.stack([forward.score, backward.score[::-1]]),
  )
  agrees = agreement.agreed(passes, settings.overlap, settings.score)
  box_xywh = agreement.labels(passes)
  outcomes = [
    agreement.outcome(box_xywh[:, n], agrees[:, n])
    for n in range(len(start_xywh))
  ]
  still = [n for n, outcome in enumerate(outcomes) if outcome == STILL]
  for n in still[: outcomes.count(KEPT) // _MOVING_PER_STILL]:
    outcomes[n] = KEPT
  return Labels(box_xywh, agrees, outcomes)


def _read_starts(path: Path) -> dict[int, Float[np.ndarray, 'n 4']]:
  """Returns a dictionary from frame numbers to initial boxes in a file."""
  rows = sequences.read_rows(path, (5,))
  if not rows:
    raise ValueError(
      f'{path}: the file has no rows; it must hold frame,x,y,w,h for each box'
    )
  boxes = collections.defaultdict(list)
  for row, (frame, *box) in enumerate(rows, 1):
    if frame < 0 or not frame.is_integer():
      raise ValueError(
        f'{path} row {row}: {frame:g} is not a frame number; count frames in '
        'whole numbers from 0'
      )
    boxes[int(frame)].append(box)
  return {n: np.array(box, np.float32) for n, box in boxes.items()}


def _label_clip(
  tracker: VideoTracker,
  clip: Clip,
  prefix: Path,
  settings: Settings,
  report: Report,
) -> Iterator[None]:
  """Labels a video; yields None after each stretch, once `report` is updated.

  Args:
    tracker: Tracker to label with.
    clip: Video to label.
    prefix: Beginning of the paths of the sequences.
    settings: Settings of tracking and of the selection of tracks.
    report: Report to update.
  """
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
      labels = follow(tracker, stretch.frames, start, settings)
      report.labels += label_writer.write(prefix, stretch, labels)
      report.tracks.update(labels.outcomes)
      report.stretches[FOLLOWED] += 1
      report.frames += len(stretch.frames)
    report.seconds = time.monotonic() - begun
    yield
  if absent := set(clip.starts or ()) - seen:
    raise ValueError(
      f'{clip.shown}: frame {min(absent)} does not exist or cannot be '
      'decoded, but a box is given for it; correct the file of boxes'
    )


def _starts(
  tracker: VideoTracker, clip: Clip, stretch: Stretch, settings: Settings
) -> Float[np.ndarray, 'n 4']:
  """Returns a stretch's initial boxes, given in the clip or proposed."""
  if clip.starts is None:
    return _proposed(tracker, stretch, settings)
  number, size_hw = stretch.numbers[0], stretch.frames[0].shape[:2]
  try:
    for box_xywh in clip.starts[number]:
      check_box(box_xywh, size_hw)
  except ValueError as error:
    raise ValueError(f'{clip.shown} frame {number}: {error}') from None
  return clip.starts[number]


def _proposed(
  tracker: VideoTracker, stretch: Stretch, settings: Settings
) -> Float[np.ndarray, 'n 4']:
  """Proposes boxes in the first frame; the tracker refines and selects them."""
  first, lanes = stretch.frames[0], settings.targets
  seed = settings.seed, stretch.numbers[0]
  proposed = proposals.propose(stretch.frames, _CANDIDATES * lanes, seed)
  if not len(proposed):
    return proposed
  settled = _track(tracker, [first] * (_SETTLE + 1), proposed, lanes)
  sure = settled.score[-1] > settings.score
  return proposals.distinct(settled.box_xywh[-1][sure])[:lanes]


def _track(
  tracker: VideoTracker,
  frames: Sequence[UInt8[np.ndarray, '_ _ 3']],
  start_xywh: Float[np.ndarray, 'n 4'],
  lanes: int,
) -> _Pass:
  """Tracks targets through frames, `lanes` targets at once."""
  box_xywh, score = [], []
  for i in range(0, len(start_xywh), lanes):
    results = list(tracker.track(frames, start_xywh[i : i + lanes]))
    box_xywh.append(np.array([[r.box for r in frame] for frame in results]))
    score.append(np.array([[r.score for r in frame] for frame in results]))
  return _Pass(
    box_xywh=np.concatenate(box_xywh, axis=1),
    score=np.concatenate(score, axis=1),
  )


def _counted(counts: collections.Counter) -> str:
  """Formats counts, for example as `6 stood still, 2 kept`."""
  named = (f'{n} {name}' for name, n in counts.most_common())
  return ', '.join(named) or 'none'
