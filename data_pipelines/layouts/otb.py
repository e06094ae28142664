"""OTB and sets in its layout, as DTB70."""

from pathlib import Path

from data_pipelines import sequences
from data_pipelines.layouts.files import folders_with, frames_from
from data_pipelines.sequences import Sequence

# First frame of the annotation where it is not the first image.
_OTB_FIRST = {
  'BlurCar1': 247,
  'BlurCar3': 3,
  'BlurCar4': 18,
  'David': 300,
  'Tiger1': 6,
}
# Rows before the first frame that is used: Tiger1's file starts at image 1.
_OTB_SKIPPED_ROWS = {'Tiger1': 5}


def otb(root: Path) -> list[Sequence]:
  """OTB: `<Seq>/img/%04d.jpg`, `groundtruth_rect*.txt`, first pixel 1.

  Two targets in one video are `<Seq>-1` and `<Seq>-2`; an empty file (the
  first target of Human4) is none.
  """
  found = []
  for folder in folders_with(root, 'img'):
    files = sorted(folder.glob('groundtruth_rect*.txt'))
    if not files:
      raise FileNotFoundError(
        f'{folder / "groundtruth_rect.txt"}: missing annotation file'
      )
    first = _OTB_FIRST.get(folder.name, 0)
    frames = frames_from(folder / 'img', first)
    for file in files:
      target = file.stem.removeprefix('groundtruth_rect').replace('.', '-')
      if target and not file.read_text().strip():
        continue
      boxes = sequences.read_boxes(file, first_pixel=1)
      boxes = boxes[_OTB_SKIPPED_ROWS.get(folder.name, 0) :]
      found.append(
        sequences.make(folder.name + target, frames, boxes, source=file)
      )
  return found
