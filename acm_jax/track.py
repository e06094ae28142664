"""Tracks targets through a video.

Writes three files. boxes.csv has the columns frame (position in the video, from
0), target, x, y, w, h (px, 0-based), score, lost (0 or 1), margin (the score
minus the highest score of the locations outside the box) and time (s; nan for
images). Frames that cannot be decoded have no row. tracked.mp4 is the video
with the boxes drawn in. tracked.png is a sheet of frames. With --video_out, the
video has another name or format. Existing files of these names are only
replaced with --overwrite.

With --key_frames, targets are tracked between frames in which their boxes are
given: forward from each of them and backward from the next one. The two passes
are merged, and the boxes that are given are kept. --key_frames is a table with
the columns frame,target,x,y,w,h, or an export of CVAT, COCO or MOT. `acm-jax
annotations` brings the result back to these formats.

With --runtime, a tracker that `acm-jax export` has converted runs without JAX,
and starts at once.

Of a stream or a camera, the newest frame is tracked. Frames that arrive in the
meantime are dropped; they count in the column frame. Ctrl-C ends tracking.

Examples:
  acm-jax track --checkpoint runs/siamban_acm --video dog.mp4 \\
    --box 120,80,60,40 --out tracked
  acm-jax track --video dog.mp4 --box 120,80,60,40 --video_out dog_tracked.gif
  acm-jax track --video dog.mp4 --key_frames annotations.xml --out filled
  acm-jax track --runtime onnx --checkpoint small_onnx --video dog.mp4 \\
    --box 120,80,60,40
"""

import sys
from pathlib import Path

import numpy as np
from absl import flags

from acm_jax import exported, model_flags
from acm_jax.datasets import addresses
from acm_jax.datasets.videos import open_video
from acm_jax.exported.runtimes import RUNTIMES
from acm_jax.host import command, text_files
from acm_jax.running import key_frames
from acm_jax.running.annotate import Tracker, annotate, follow


def define(values: flags.FlagValues) -> None:
  """Defines the command's flags on `values`."""
  model_flags.define(values)
  text = (
    'Runtime of the tracker. With another one than jax, --checkpoint is the '
    'folder of an exported tracker.'
  )
  flags.DEFINE_enum(
    'runtime', 'jax', ['jax', *RUNTIMES], text, flag_values=values
  )
  required = {'required': True, 'flag_values': values}
  video = (
    'Video file, folder of images, names of images (img/%04d.jpg or '
    'img/*.png), address (rtsp://... or http://...) or camera (0 or '
    '/dev/video0).'
  )
  flags.DEFINE_string('video', None, video, **required)
  box = 'Box X,Y,W,H of a target in the first frame, px.'
  flags.DEFINE_multi_string('box', [], box, flag_values=values)
  text = (
    'Boxes of the targets in two or more frames, instead of `--box`: .csv, or '
    'XML of CVAT, JSON of COCO or gt.txt of MOT.'
  )
  flags.DEFINE_string('key_frames', None, text, flag_values=values)
  out = 'Output folder.'
  flags.DEFINE_string('out', 'tracked', out, flag_values=values)
  text = (
    'Video to write, whose suffix names the format: .mp4, .webm or .gif '
    '(default: tracked.mp4 in the output folder).'
  )
  flags.DEFINE_string('video_out', None, text, flag_values=values)
  text = 'Replace the results of an earlier run.'
  flags.DEFINE_bool('overwrite', False, text, flag_values=values)


def main(values: flags.FlagValues) -> None:
  """Tracks the targets through the video."""
  if bool(values.box) == bool(values.key_frames):
    raise ValueError('give either `box` or `key_frames`')
  boxes_xywh = np.array([_parse_box(box) for box in values.box], np.float32)
  out = Path(values.out)
  video_out = Path(values.video_out or out / 'tracked.mp4')
  video = open_video(values.video)
  if values.key_frames and video.live:
    raise ValueError(
      f'{addresses.shown(values.video)}: a camera or a stream has no key '
      'frames; give a video file or a folder of images'
    )
  tracker = _exported(values) if values.runtime != 'jax' else _in_jax(values)
  if values.key_frames:
    targets = key_frames.read(Path(values.key_frames), video.files)
    tracked = key_frames.track(tracker, video.frames, targets)
  else:
    tracked = follow(tracker, video, boxes_xywh)
  found = annotate(
    tracked,
    video,
    out,
    video_out,
    clock=tracker.clock,
    overwrite=values.overwrite,
  )
  files = ', '.join(map(str, found.files))
  print(f'{found.frames} frames tracked; written: {files}')


def _in_jax(values: flags.FlagValues) -> Tracker:
  model = model_flags.load(values)
  # JAX is imported only now, so that the command says at once what it does.
  from acm_jax.tracking.video_tracker import VideoTracker

  print('tracking; the programs for the first frames are compiled', flush=True)
  return VideoTracker(model)


def _exported(values: flags.FlagValues) -> Tracker:
  if changes := model_flags.changes(values):
    raise ValueError(
      f'`{min(changes)}`: is fixed in an exported tracker; give it to '
      '`acm-jax export`'
    )
  print(f'loading the exported tracker {values.checkpoint}', flush=True)
  return exported.load(values.checkpoint, values.runtime)


def _parse_box(box: str) -> list[float]:
  try:
    x, y, w, h = map(float, text_files.fields(box))
  except ValueError:
    raise ValueError(
      f'`box`={box!r}: give four numbers X,Y,W,H, or put numbers with spaces '
      'between them in quotes'
    ) from None
  return [x, y, w, h]


if __name__ == '__main__':
  sys.exit(command.run(define, main, __doc__))
