"""Writes tracks as annotations for CVAT, COCO or MOT.

--boxes is the boxes.csv of `acm-jax track`, or a file of another of these
formats. The name of --out says the format: .xml for "CVAT for video 1.1", .json
for COCO, .txt for gt.txt of MOT. Where the target is lost or absent, it gets no
box; in CVAT, it is outside from there on. `acm-jax annotated` reads the files.

Example:
  acm-jax annotations --video dog.mp4 --boxes tracked/boxes.csv \\
    --out annotations.xml
"""

import sys
from pathlib import Path

from absl import flags

from acm_jax.datasets import addresses, exports
from acm_jax.datasets.exports.target import UNKNOWN, Footage
from acm_jax.datasets.videos import open_video
from acm_jax.host import command
from acm_jax.host.progress import progress
from acm_jax.host.staging import check_absent


def define(values: flags.FlagValues) -> None:
  """Defines the command's flags on `values`."""
  required = {'required': True, 'flag_values': values}
  video = 'Video file, folder or names of images.'
  flags.DEFINE_string('video', None, video, **required)
  boxes = (
    'boxes.csv of track, or annotations: XML of CVAT, JSON of COCO, gt.txt of '
    'MOT, or a zip file with one of them.'
  )
  flags.DEFINE_string('boxes', None, boxes, **required)
  out = 'File to write; the suffix names the format: .xml, .json or .txt.'
  flags.DEFINE_string('out', None, out, **required)
  category = 'Class of the targets for which `--boxes` states none.'
  flags.DEFINE_string('category', UNKNOWN, category, flag_values=values)
  text = 'Replace an existing file.'
  flags.DEFINE_bool('overwrite', False, text, flag_values=values)


def main(values: flags.FlagValues) -> None:
  """Writes the annotations."""
  out, boxes = Path(values.out), Path(values.boxes)
  exports.check_suffix(out)
  if not values.overwrite:
    check_absent(out)
  video = open_video(values.video)
  if video.live:
    raise ValueError(
      f'{addresses.shown(values.video)}: a camera or a stream cannot be '
      'annotated; give a video file or a folder of images'
    )
  targets = [
    target._replace(category=values.category)
    if target.category == UNKNOWN
    else target
    for target in exports.read(boxes, video.files)
  ]
  frames = progress(video.frames, 'reading', video.length, 'frames')
  sizes = {frame.number: frame.image.shape[:2] for frame in frames}
  footage = Footage(video.name, video.files, sizes)
  try:
    exports.write(out, targets, footage)
  except ValueError as error:
    raise ValueError(f'{boxes}: {error}') from error
  count = sum(len(target.boxes) for target in targets)
  print(f'{count} boxes of {len(targets)} targets written to {out}')


if __name__ == '__main__':
  sys.exit(command.run(define, main, __doc__))
