"""Labels videos with a trained tracker and writes sequences to train on.

Videos are cut into stretches of at most --length frames. In each stretch,
targets are proposed automatically or read from a file. They are tracked forward
and backward; frames in which the two passes agree are labelled. The sequences
in --out have the layout that `acm-jax prepare --dataset folder` reads.

Example:
  acm-jax label --checkpoint runs/nanotrackv3 --video clip.mp4 \\
    --video birds.mp4 --out data/labelled
"""

import sys
from pathlib import Path

from absl import flags

from acm_jax import model_flags
from acm_jax.host import command
from acm_jax.tracking.video_tracker import VideoTracker
from acm_jax.training import labelling

_TEXTS = {
  'targets': 'Maximum number of targets proposed in a stretch of a video.',
  'length': 'Maximum number of frames in a stretch.',
  'every': 'Use every Nth frame of the video.',
  'overlap': 'Minimum IoU between the boxes of the two passes in a labelled '
  'frame.',
  'score': 'Score that both passes must exceed in a labelled frame.',
  'seed': 'Random seed for sampling proposals.',
}


def define(values: flags.FlagValues) -> None:
  """Defines the command's flags on `values`."""
  model_flags.define(values)
  required = {'required': True, 'flag_values': values}
  video = 'Video file, folder or names of images, or address of a video.'
  flags.DEFINE_multi_string('video', None, video, **required)
  flags.DEFINE_string(
    'out', None, 'Output folder; must not exist yet.', **required
  )
  text = (
    'File of boxes to start from, with rows frame,x,y,w,h (px, 0-based); give '
    'one file for each --video (default: proposed boxes).'
  )
  flags.DEFINE_multi_string('boxes', [], text, flag_values=values)
  for name, text in _TEXTS.items():
    default = getattr(labelling.Settings, name)
    is_whole = isinstance(default, int)
    define_flag = flags.DEFINE_integer if is_whole else flags.DEFINE_float
    define_flag(name, default, text, flag_values=values)


def main(values: flags.FlagValues) -> None:
  """Labels the videos."""
  settings = labelling.Settings(**{name: values[name].value for name in _TEXTS})
  clips = labelling.read_clips(values.video, values.boxes)
  tracker, out = VideoTracker(model_flags.load(values)), Path(values.out)
  reports = labelling.label(tracker, clips, out, settings)
  print(*reports, labelling.total(reports), sep='\n')


if __name__ == '__main__':
  sys.exit(command.run(define, main, __doc__))
