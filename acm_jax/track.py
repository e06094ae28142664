"""Tracks targets through a video.

Writes three files. boxes.csv has the columns frame, target, x, y, w, h (px,
0-based), score, lost (0 or 1) and margin (the score minus the highest score of
the locations outside the box). tracked.mp4 is the video with the boxes drawn
in. tracked.png is a sheet of frames.

Example:
  acm-jax track --checkpoint runs/siamban_acm --video dog.mp4 \\
    --box 120,80,60,40 --out tracked
"""

import sys
from pathlib import Path

import numpy as np
from absl import flags

from acm_jax import model_flags
from acm_jax.datasets.videos import open_video
from acm_jax.host import command
from acm_jax.running.annotate import annotate
from acm_jax.tracking.video_tracker import VideoTracker


def define(values: flags.FlagValues) -> None:
  """Defines the command's flags on `values`."""
  model_flags.define(values)
  required = {'required': True, 'flag_values': values}
  video = 'Video file, folder of images or camera number.'
  flags.DEFINE_string('video', None, video, **required)
  box = 'Box X,Y,W,H of a target in the first frame, px.'
  flags.DEFINE_multi_string('box', None, box, **required)
  out = 'Output folder.'
  flags.DEFINE_string('out', 'tracked', out, flag_values=values)


def main(values: flags.FlagValues) -> None:
  """Tracks the targets of `--box` through the video."""
  boxes_xywh = np.array([_parse_box(box) for box in values.box], np.float32)
  video = open_video(values.video)
  tracker = VideoTracker(model_flags.load(values))
  count = annotate(tracker, video, boxes_xywh, Path(values.out))
  print(
    f'{count} frames tracked; boxes.csv, tracked.mp4 and tracked.png are in '
    f'{values.out}'
  )


def _parse_box(box: str) -> list[float]:
  try:
    x, y, w, h = map(float, box.split(','))
  except ValueError:
    raise ValueError(f'`box`={box!r}: give four numbers X,Y,W,H') from None
  return [x, y, w, h]


if __name__ == '__main__':
  sys.exit(command.run(define, main, __doc__))
