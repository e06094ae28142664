"""Labels video with a trained tracker, as sequences to train on.

Targets are proposed, or begin with the boxes of a file, and are followed there
and back; frames in which both ways agree are labelled. OUT has the layout
`folder` of data_pipelines.prepare.

Example:
  python -m acm_jax.label --checkpoint runs/nanotrackv3 --video clip.mp4 \\
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
  'targets': 'Largest number of targets proposed in a stretch.',
  'length': 'Largest number of frames of a stretch.',
  'every': 'Distance between the frames that are used.',
  'overlap': 'Least IoU of the boxes found forward and backward.',
  'score': 'Least score of these boxes.',
  'seed': 'Random seed for sampling proposals.',
}


def define(values: flags.FlagValues) -> None:
  """Defines the command's flags on `values`."""
  model_flags.define(values)
  given = {'required': True, 'flag_values': values}
  video = 'Video file or folder of images'
  flags.DEFINE_multi_string('video', None, video, **given)
  flags.DEFINE_string(
    'out', None, 'Output folder; must not exist yet.', **given
  )
  text = 'File of boxes to start from, rows frame,x,y,w,h; one for each --video'
  flags.DEFINE_multi_string('boxes', [], text, flag_values=values)
  for name, text in _TEXTS.items():
    default = getattr(labelling.Settings, name)
    whole = isinstance(default, int)
    flag = flags.DEFINE_integer if whole else flags.DEFINE_float
    flag(name, default, text, flag_values=values)


def main(values: flags.FlagValues) -> None:
  """Labels what the flags name."""
  settings = labelling.Settings(**{name: values[name].value for name in _TEXTS})
  clips = labelling.read_clips(values.video, values.boxes)
  tracker, out = VideoTracker(model_flags.load(values)), Path(values.out)
  reports = labelling.label(tracker, clips, out, settings)
  print(*reports, labelling.total(reports), sep='\n')


if __name__ == '__main__':
  sys.exit(command.run(define, main, __doc__))
