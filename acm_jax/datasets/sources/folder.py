"""Your own sequences in a folder.

    [<folder>/]<sequence>/{img/, groundtruth.txt, [absent.txt]}

Rows of groundtruth.txt are x,y,w,h in px, 0-based. For each row, absent.txt has
1 if the target is absent, else 0. The rows are those of the images in the
natural order of their names. There may be more images than rows if the numbers
in the names count the images one by one. In training, distances within a pair
are numbers of images.
"""

import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from acm_jax.datasets import image_files, image_names
from acm_jax.datasets.image_files import Rgb
from acm_jax.datasets.sources import source
from acm_jax.datasets.sources.source import Source, Unit
from acm_jax.datasets.track import Track
from acm_jax.datasets.trees import Tree, join
from acm_jax.host.staging import naming

# Name of a sequence that `annotations` or `label` has written; see `videos`.
_NAMED = re.compile(r'(.+?)\.(\d{3,})(\.\d{6,}\.\d{2,})?')


def units(tree: Tree) -> Iterator[Unit]:
  """Yields every sequence; a single folder around all of them is passed."""
  outer = tree.folders()
  alone = len(outer) == 1 and 'img' not in tree.folders(outer[0])
  top = outer[0] if alone else ''
  paths = {name: join(top, name) for name in tree.folders(top)}
  found = [Unit(*p) for p in paths.items() if 'img' in tree.folders(p[1])]
  if not found:
    raise FileNotFoundError(
      f'{tree.label}: no sequence with a folder img/; the layout is '
      '<sequence>/img/'
    )
  yield from found


def tracks(tree: Tree, unit: Unit) -> list[Track]:
  """Returns the single target of a sequence."""
  sequence = unit.handle
  rows, folder = join(sequence, 'groundtruth.txt'), join(sequence, 'img')
  box_xywh, where = source.boxes(tree, rows), tree.where(rows)
  names = image_names.in_order(tree.files(folder), tree.where(folder))
  files = {i: join(folder, name) for i, name in enumerate(names)}
  if len(files) > len(box_xywh):
    # Only numbers in the names can tell which images have no row.
    if not image_names.counts(names):
      raise ValueError(
        f'{where}: {len(box_xywh)} rows for {len(files)} images, whose names '
        'do not count one by one, so that the images of the rows are unknown; '
        'give each image a row, or remove the images without one'
      )
    files = source.numbered(tree, folder)
  absent = source.marks(tree, join(sequence, 'absent.txt'))
  return [source.track(tree, unit.name, files, box_xywh, where, absent)]


def videos(names: Iterable[str]) -> dict[str, str]:
  """Returns the names of the videos that sequences belong to.

  The command `annotations` calls sequences VIDEO.000, VIDEO.001 and so on, and
  `label` calls them VIDEO.NUMBER.FRAME.TARGET, with at least 3, 6 and 2 digits.
  A sequence with another name, such as drive.2024, is a video of its own.

  Args:
    names: Names of all sequences of a folder.

  Returns:
    A dictionary from the names of the sequences to those of their videos.
  """
  names = set(names)
  return {name: _video(name, names) for name in names}


def _video(name: str, names: set[str]) -> str:
  """Returns the video of one of several sequences."""
  parts = _NAMED.fullmatch(name)
  if not parts:
    return name
  video, number, labelled = parts.groups()
  # In other names, more than three digits mean something else, such as a year.
  counted = len(number) == 3 or labelled or f'{video}.999' in names
  return video if counted else name


def write(
  sequence: Path,
  images: Mapping[int, Rgb],
  box_xywh: Float[np.ndarray, 'n 4'],
  absent: Bool[np.ndarray, 'n'],
  write_image: Callable[[Path, Rgb], None] = image_files.write,
) -> None:
  """Writes a sequence that `tracks` can read.

  Args:
    sequence: Folder of the sequence; must not exist.
    images: Dictionary from numbers, ascending, to the images of the rows.
    box_xywh: Box in each image, px, 0-based; NaN where none is known.
    absent: Whether the target is absent, for each image.
    write_image: Function that writes an image to a path.

  Raises:
    OSError: A file cannot be written.
  """
  (sequence / 'img').mkdir(parents=True)
  for number, image in images.items():
    write_image(image_path(sequence, number), image)
  write_boxes(sequence, box_xywh, absent)


def image_path(sequence: Path, number: int) -> Path:
  """Returns the path at which `write` writes an image."""
  return sequence / 'img' / f'{number:06d}.jpg'


def write_shared(path: Path, image: Rgb, written: dict[str, Path]) -> None:
  """Writes an image, or links to the same image of another sequence.

  Args:
    path: Image to write.
    image: RGB image.
    written: Images of the same video that were already written; keys are file
      names. A new image is added.
  """
  if same := written.get(path.name):
    try:
      os.link(same, path)
    except OSError:
      # The file system may not support hard links.
      with naming(path):
        shutil.copyfile(same, path)
  else:
    image_files.write(path, image)
    written[path.name] = path


def write_boxes(
  sequence: Path,
  box_xywh: Float[np.ndarray, 'n 4'],
  absent: Bool[np.ndarray, 'n'],
) -> None:
  """Writes the annotation of a sequence; see `write`."""
  for name, rows, form in (
    ('groundtruth.txt', box_xywh, '%.2f'),
    ('absent.txt', absent, '%d'),
  ):
    with naming(sequence / name):
      np.savetxt(sequence / name, rows, form, ',')


SOURCE = Source(units, tracks, per_shard=8, gap=100)
