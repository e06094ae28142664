"""Official result files: `<tracker>/<sequence>.txt`, a row x,y,w,h a frame.

Boxes are read as the file has them, in the benchmark's own pixel base, for
that is how they are scored.
"""

import contextlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from jaxtyping import Float, Num

from acm_jax.evaluation.benchmarks import Benchmark, spelling
from data_pipelines.sequences import read_rows
from data_pipelines.staging import replacing


def read_boxes(path: Path) -> Float[np.ndarray, 'n 4']:
  """Boxes of a text file with commas, tabs or spaces between the numbers.

  NaN is allowed, as annotations have it where there is no target.

  Raises:
    OSError: The file cannot be read.
    ValueError: A row is not four numbers; the message names file and row.
  """
  if not path.is_file():
    raise FileNotFoundError(f'{path}: no such file')
  try:
    lines = path.read_text().rstrip().splitlines()
  except UnicodeDecodeError:
    raise ValueError(f'{path}: not a text file') from None
  if not lines:
    raise ValueError(f'{path}: empty; a row x,y,w,h is wanted for each frame')
  with contextlib.suppress(ValueError):
    delimiter = ',' if ',' in lines[0] else None
    boxes = np.loadtxt(lines, delimiter=delimiter, ndmin=2, comments=None)
    # Blank lines, which loadtxt drops, would shift the frames behind them.
    if boxes.shape == (len(lines), 4):
      return boxes
  # Slower, and names the row.
  return np.array(read_rows(path, (4,)))


def read_result(
  path: Path, frames: int
) -> tuple[Float[np.ndarray, '{frames} 4'], int]:
  """One result, with rows of NaN for the frames that it ends before.

  Args:
    path: The result file.
    frames: Length of the sequence's annotation.

  Returns:
    A box for each frame, and how many rows the file has.

  Raises:
    OSError: The file cannot be read.
    ValueError: A row is not four finite numbers, or there are more rows than
      frames; the message names file and row.
  """
  boxes = read_boxes(path)
  bad = np.flatnonzero(~np.isfinite(boxes).all(axis=1))
  if len(bad):
    raise ValueError(f'{path} row {bad[0] + 1}: a box must be finite numbers')
  if len(boxes) > frames:
    raise ValueError(
      f'{path}: {len(boxes)} rows for {frames} annotated frames: '
      'is it a result of these annotations?'
    )
  padding = np.full((frames - len(boxes), 4), np.nan)
  return np.concatenate([boxes, padding]), len(boxes)


def find_results(
  folder: Path, sequences: Iterable[str]
) -> tuple[dict[str, Path], list[str]]:
  """The result file of each sequence that a tracker's folder has.

  File names may differ from the sequences in case and in `-`, `_` and `.`.

  Args:
    folder: One tracker's results.
    sequences: Names to look for.

  Returns:
    Files by sequence, and the names of the text files that are of none.

  Raises:
    OSError: `folder` is not a folder.
    ValueError: There is no result of any of the sequences, or two of one.
  """
  if not folder.is_dir():
    raise NotADirectoryError(f'{folder}: no such folder of results')
  files = sorted(folder.glob('*.txt'))
  if not files:
    raise ValueError(f"{folder}: no <sequence>.txt; name one tracker's folder")
  names = {spelling(name): name for name in sequences}
  found, others = {}, []
  for file in files:
    name = names.get(spelling(file.stem))
    if name is None:
      others.append(file.name)
    elif name in found:
      raise ValueError(f'{file} and {found[name].name}: both are of {name}')
    else:
      found[name] = file
  if not found:
    wanted = next(iter(names.values()))
    raise ValueError(
      f'{folder}: no sequence of the benchmark ({files[0].name}, not {wanted})'
    )
  return found, others


def write_result(
  folder: Path,
  sequence: str,
  box_xywh: Num[np.ndarray, 'n 4'],
  benchmark: Benchmark,
) -> Path:
  """Writes `<folder>/<sequence>.txt` and returns its path.

  Args:
    folder: One tracker's results; made where it is missing.
    sequence: Name of the sequence.
    box_xywh: A box a frame, px, 0-based.
    benchmark: Its pixel base is added.
  """
  corner = box_xywh[:, :2] + benchmark.first_pixel
  rows = np.concatenate([corner, box_xywh[:, 2:]], axis=1)
  folder.mkdir(parents=True, exist_ok=True)
  path = folder / f'{sequence}.txt'
  with replacing(path) as temporary:
    np.savetxt(temporary, rows, fmt='%.4f', delimiter=',')
  return path
