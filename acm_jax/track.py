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
the columns frame,target,x,y,w,h, or an export of CVAT, COCO or MOT. boxes.csv
then has the further columns category, key (1 in key frames) and occluded, and
`acm-jax annotations` brings the result back to these formats.

With --first_frame, only a picture of the first frame is written, with
coordinates to read off a box. With --select, boxes are drawn in a window, if
OpenCV has one. --live shows the frames on a page in the browser while they are
tracked.

With --runtime, a tracker that `acm-jax export` has converted runs without JAX,
and starts at once.

Of a stream or a camera, the newest frame is tracked. Frames that arrive in the
meantime are dropped; they count in the column frame. Ctrl-C ends tracking.

Examples:
  acm-jax track --checkpoint runs/siamban_acm --video dog.mp4 \\
    --box 120,80,60,40 --out tracked
  acm-jax track --video dog.mp4 --box 120,80,60,40 --video_out dog_tracked.gif
  acm-jax track --video dog.mp4 --first_frame first.png
  acm-jax track --video 0 --select --live
  acm-jax track --video dog.mp4 --key_frames annotations.xml --out filled
  acm-jax track --runtime onnx --checkpoint small_onnx --video dog.mp4 \\
    --box 120,80,60,40
"""

import contextlib
import sys
from pathlib import Path

import numpy as np
from absl import flags

from acm_jax import exported, model_flags
from acm_jax.datasets import addresses
from acm_jax.datasets.video_files import Frame
from acm_jax.datasets.videos import Video, open_video
from acm_jax.exported.runtimes import RUNTIMES
from acm_jax.host import command, text_files
from acm_jax.running import key_frames, picking
from acm_jax.running.annotate import Tracker, annotate, check_free, follow
from acm_jax.web import live, ports


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
  text = 'Draw the boxes of the targets in a window, instead of `--box`.'
  flags.DEFINE_bool('select', False, text, flag_values=values)
  text = (
    'Picture to write (.png or .jpg) of the first frame with coordinates; '
    'nothing is tracked.'
  )
  flags.DEFINE_string('first_frame', None, text, flag_values=values)
  out = 'Output folder.'
  flags.DEFINE_string('out', 'tracked', out, flag_values=values)
  text = (
    'Video to write, whose suffix names the format: .mp4, .webm or .gif '
    '(default: tracked.mp4 in the output folder).'
  )
  flags.DEFINE_string('video_out', None, text, flag_values=values)
  text = 'Show the frames on a page in the browser while they are tracked.'
  flags.DEFINE_bool('live', False, text, flag_values=values)
  text = "Name or address of this machine that --live's page is served on."
  flags.DEFINE_string('host', '127.0.0.1', text, flag_values=values)
  text = "Port of --live's page; 0 for any free one."
  flags.DEFINE_integer('port', 8000, text, flag_values=values)
  text = 'Replace the results of an earlier run.'
  flags.DEFINE_bool('overwrite', False, text, flag_values=values)


def main(values: flags.FlagValues) -> None:
  """Tracks the targets through the video."""
  if values.first_frame:
    _write_first_frame(values)
    return
  if bool(values.box) + bool(values.key_frames) + values.select != 1:
    raise ValueError('give one of `box`, `select` and `key_frames`')
  boxes_xywh = np.array([_parse_box(box) for box in values.box], np.float32)
  out = Path(values.out)
  video_out = Path(values.video_out or out / 'tracked.mp4')
  video = open_video(values.video)
  if values.key_frames and video.live:
    raise ValueError(
      f'{addresses.shown(values.video)}: a camera or a stream has no key '
      'frames; give a video file or a folder of images'
    )
  # Before the tracker is loaded, which takes seconds.
  targets = (
    key_frames.read(Path(values.key_frames), video) if values.key_frames else ()
  )
  page = ports.listen(values.host, values.port) if values.live else None
  if values.select:
    picking.check_window()
  tracker = _exported(values) if values.runtime != 'jax' else _in_jax(values)
  if values.key_frames:
    tracked = key_frames.track(tracker, video.frames, targets)
  elif values.select:
    first, boxes_xywh = _select(tracker, video)
    tracked = follow(tracker, video, boxes_xywh, first)
  else:
    tracked = follow(tracker, video, boxes_xywh)
  if page:
    tracked = live.shown(tracked, page)
    print(f'live: {ports.address(page)}', flush=True)
  with contextlib.closing(tracked):
    found = annotate(
      tracked,
      video,
      out,
      video_out,
      targets=targets,
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


def _select(tracker: Tracker, video: Video) -> tuple[Frame, np.ndarray]:
  """Lets the user draw boxes; returns the frame that was shown, and the boxes.

  Args:
    tracker: Tracker that will follow the targets.
    video: Video that the frame is taken from.
  """
  if video.live:
    # Few frames shall pass between the one that is shown and the next.
    image = next(video.frames).image
    height, width = image.shape[:2]
    tracker.compile(image, [(0, 0, width, height)])
  frame = next(video.frames)
  boxes_xywh = picking.select(frame.image)
  shown = ' '.join(
    f'--box {x:g},{y:g},{w:g},{h:g}' for x, y, w, h in boxes_xywh
  )
  print(f'selected: {shown}', flush=True)
  return frame, boxes_xywh


def _write_first_frame(values: flags.FlagValues) -> None:
  path, video = Path(values.first_frame), open_video(values.video)
  check_free([path], video.files, overwrite=values.overwrite)
  frame = next(video.frames)
  path.parent.mkdir(parents=True, exist_ok=True)
  picking.write_grid(frame.image, path)
  print(f'written: {path}; give the box that you read off as --box X,Y,W,H')


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
