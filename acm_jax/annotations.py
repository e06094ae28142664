"""Writes tracks as annotations for CVAT, COCO or MOT, or as training data.

--boxes is the boxes.csv of `acm-jax track`, or a file of another of these
formats. The name of --out says what is written: .xml is "CVAT for video 1.1",
.json is COCO and .txt is gt.txt of MOT. A name without a suffix is a folder of
sequences in the layout `folder`, one for each target, which `acm-jax train
--config finetune` and `acm-jax prepare --dataset folder` read; for sequences,
--video and --boxes may be repeated, once for each video.

Where the target is lost or absent, it gets no box; in CVAT, it is outside from
there on.

Examples:
  acm-jax annotations --video dog.mp4 --boxes tracked/boxes.csv \\
    --out annotations.xml
  acm-jax annotations --video clip.mp4 --boxes annotations.xml --out SEQUENCES
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from absl import flags

from acm_jax.datasets import addresses, exports
from acm_jax.datasets.exports import sequences
from acm_jax.datasets.exports.target import UNKNOWN, Footage, Target
from acm_jax.datasets.video_files import Frame
from acm_jax.datasets.videos import Video, open_video
from acm_jax.host import command
from acm_jax.host.progress import progress
from acm_jax.host.staging import check_absent, staged
from acm_jax.running.targets import checked


def define(values: flags.FlagValues) -> None:
  """Defines the command's flags on `values`."""
  required = {'required': True, 'flag_values': values}
  video = 'Video file, folder or names of images.'
  flags.DEFINE_multi_string('video', None, video, **required)
  boxes = (
    'boxes.csv of track, or annotations: XML of CVAT, JSON of COCO, gt.txt of '
    'MOT, or a zip file with one of them.'
  )
  flags.DEFINE_multi_string('boxes', None, boxes, **required)
  out = (
    'File to write, whose suffix names the format (.xml, .json or .txt), or '
    'folder of sequences, without a suffix.'
  )
  flags.DEFINE_string('out', None, out, **required)
  category = 'Class of the targets for which `--boxes` states none.'
  flags.DEFINE_string('category', UNKNOWN, category, flag_values=values)
  text = 'Replace what an earlier run has written.'
  flags.DEFINE_bool('overwrite', False, text, flag_values=values)


def main(values: flags.FlagValues) -> None:
  """Writes the annotations."""
  out, is_file = Path(values.out), bool(Path(values.out).suffix)
  if is_file:
    exports.check_suffix(out)
  if not values.overwrite:
    check_absent(out)
  if len(values.boxes) != len(values.video):
    raise ValueError(
      f'{len(values.boxes)} files of boxes for {len(values.video)} videos: '
      'give one for each video'
    )
  if is_file and len(values.video) > 1:
    raise ValueError(
      f'{out}: holds the annotations of one video; name a folder of sequences '
      'as `out`, or give one `video`'
    )
  out.parent.mkdir(parents=True, exist_ok=True)
  write = _write_file if is_file else _write_sequences
  targets = write(values, out)
  count = sum(len(target.boxes) for target in targets)
  print(f'{count} boxes of {len(targets)} targets written to {out}')


def _write_file(values: flags.FlagValues, out: Path) -> Sequence[Target]:
  (source,), (boxes,) = values.video, values.boxes
  video, targets = _open(source, boxes, values.category)
  frames = _frames(video, targets, boxes)
  sizes = {frame.number: frame.image.shape[:2] for frame in frames}
  length = video.length or max(sizes) + 1
  footage = Footage(video.name, video.files, length, sizes)
  exports.write(out, targets, footage)
  return targets


def _write_sequences(values: flags.FlagValues, out: Path) -> Sequence[Target]:
  found: list[Target] = []
  with staged(out, values.overwrite) as partial:
    for source, boxes in zip(values.video, values.boxes, strict=True):
      video, targets = _open(source, boxes, values.category)
      frames = _frames(video, targets, boxes)
      sequences.write(partial, video.name, targets, frames)
      found += targets
  return found


def _open(source: str, boxes: str, category: str) -> tuple[Video, list[Target]]:
  """Opens a video and reads its targets.

  Args:
    source: Video.
    boxes: File of the targets.
    category: Class of targets of an unknown class.
  """
  video = open_video(source)
  if video.live:
    raise ValueError(
      f'{addresses.shown(source)}: a camera or a stream cannot be annotated; '
      'give a video file or a folder of images'
    )
  targets = [
    target._replace(category=category) if target.category == UNKNOWN else target
    for target in exports.read(Path(boxes), video)
  ]
  return video, targets


def _frames(
  video: Video, targets: Sequence[Target], boxes: str
) -> Iterator[Frame]:
  """Yields the frames up to the last box."""
  last = max(max(target.boxes) for target in targets)
  frames = checked(video.frames, targets, boxes)
  for frame in progress(frames, video.name, last + 1, 'frames'):
    yield frame
    if frame.number == last:
      break


if __name__ == '__main__':
  sys.exit(command.run(define, main, __doc__))
