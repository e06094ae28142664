"""TColor-128."""

from pathlib import Path

from data_pipelines import sequences
from data_pipelines.layouts.files import folders_with, frames_from
from data_pipelines.sequences import Sequence


def tc128(root: Path) -> list[Sequence]:
  """TColor-128: `<Seq>/{img/%04d.jpg, <Seq>_gt.txt, <Seq>_frames.txt}`.

  First pixel 1; `_frames.txt` has the numbers of the first and last image.
  """
  found = []
  for folder in folders_with(root, 'img'):
    file = folder / f'{folder.name}_gt.txt'
    boxes = sequences.read_boxes(file, first_pixel=1)
    ((first, last),) = sequences.read_rows(
      folder / f'{folder.name}_frames.txt', (2,)
    )
    frames = frames_from(folder / 'img', int(first), int(last))
    found.append(sequences.make(folder.name, frames, boxes, source=file))
  return found
