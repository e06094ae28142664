"""Writes two workspaces to compare VOT's toolkit with `acm-jax evaluate`.

OUT/stb has sequences with several start frames (anchors). OUT/lt has sequences
in which the target is temporarily absent. The sequences are cut from the
beginning of sequences of VOT2018, OTB100 and TinyTLP; their images are symbolic
links. docs/evaluation.md lists the commands to run next.

Example:
  PYTHONPATH=. python benchmarks/vot_workspaces.py --data_dir DATA --out OUT
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from absl import flags

from acm_jax.datasets import image_files
from acm_jax.evaluation import annotations, benchmarks
from acm_jax.host import command, text_files
from acm_jax.host.staging import staged


class Cut(NamedTuple):
  """The beginning of a sequence.

  Attributes:
    benchmark: Benchmark of the sequence.
    root: Name of the benchmark's folder in the data folder.
    name: Name of the sequence.
    frames: Number of frames to keep.
    absent: Frames whose annotation is removed, as if the target were absent.
  """

  benchmark: str
  root: str
  name: str
  frames: int
  absent: range = range(0)


WITH_ANCHORS = (
  Cut('vot2018', 'VOT2018', 'bag', 190),
  Cut('vot2018', 'VOT2018', 'book', 150),
  Cut('otb100', 'OTB100', 'Crossing', 120),
  Cut('otb100', 'OTB100', 'Football1', 74),
  Cut('otb100', 'OTB100', 'Couple', 140),
)
# Number of frames from one anchor to the next.
STEP = 30
LONG_TERM = (
  Cut('tinytlp', 'TinyTLP', 'Bike', 150, range(60, 90)),
  Cut('tinytlp', 'TinyTLP', 'CarChase2', 120, range(70, 85)),
  Cut('otb100', 'OTB100', 'Crossing', 110),
  Cut('otb100', 'OTB100', 'Couple', 140),
)
_TRACKER = '[{0}]\nlabel = {0}\nprotocol = traxpython\ncommand = unused\n'
_STACKS = {'stb': 'vot2022/shorttermbox', 'lt': 'vot2022/longterm'}
_SEQUENCE = (
  'channels.color=color/%08d.jpg\nformat=default\nfps=30\nname={name}\n'
  'width={width}\nheight={height}\nlength={length}\n'
)


def define(values: flags.FlagValues) -> None:
  """Defines the command's flags on `values`."""
  for name, text in (
    ('data_dir', 'Folder with VOT2018/, OTB100/ and TinyTLP/.'),
    ('out', 'New folder for the workspaces.'),
  ):
    flags.DEFINE_string(name, None, text, required=True, flag_values=values)
  text = 'Comma-separated names of the trackers to compare.'
  flags.DEFINE_list(
    'trackers', ['nanotrackv3', 'first_box'], text, flag_values=values
  )


def main(values: flags.FlagValues) -> None:
  """Writes both workspaces to --out."""
  write(Path(values.data_dir), Path(values.out), values.trackers)


def write(data: Path, out: Path, trackers: Sequence[str] = ()) -> None:
  """Writes both workspaces.

  Args:
    data: Folder with the root folders of the benchmarks.
    out: New folder for the workspaces.
    trackers: Names of the trackers in trackers.ini.

  Raises:
    OSError: A sequence does not exist.
    ValueError: `out` exists, or a sequence has too few frames.
  """
  with staged(out) as folder:
    for name, cuts in (('stb', WITH_ANCHORS), ('lt', LONG_TERM)):
      root = folder / name / 'sequences'
      for cut in cuts:
        _write_sequence(cut, data, root / cut.name, anchors=name == 'stb')
      names = ''.join(f'{cut.name}\n' for cut in cuts)
      text_files.write(root / 'list.txt', names)
      config = f'registry:\n- ./trackers.ini\nstack: {_STACKS[name]}\n'
      text_files.write(folder / name / 'config.yaml', config)
      registry = '\n'.join(map(_TRACKER.format, trackers))
      text_files.write(folder / name / 'trackers.ini', registry)
      (folder / name / 'results').mkdir()


def _write_sequence(cut: Cut, data: Path, folder: Path, anchors: bool) -> None:
  benchmark, root = benchmarks.get(cut.benchmark), data / cut.root
  (sequence,) = benchmarks.sequences(benchmark, root, [cut.name])
  truth = annotations.read(benchmark, root)[cut.name]
  if truth.frames < cut.frames:
    raise ValueError(
      f'{root}: {cut.name} has {truth.frames} frames, but {cut.frames} are '
      'needed; download the sequence again'
    )
  (folder / 'color').mkdir(parents=True)
  for number, path in enumerate(sequence.frame_paths[: cut.frames], 1):
    link = folder / 'color' / f'{number:08d}.jpg'
    link.symlink_to(path.resolve())
  regions = [
    np.full(4, np.nan) if frame in cut.absent else truth.region_at(frame)
    for frame in range(cut.frames)
  ]
  rows = [','.join(f'{value:.4f}' for value in row) for row in regions]
  text_files.write(folder / 'groundtruth.txt', '\n'.join(rows) + '\n')
  if anchors:
    last = cut.frames - 1
    anchors_at = {*range(0, cut.frames, STEP), last}
    # From each anchor, the tracker runs in the direction that has more frames.
    directions = [
      (1 if last - frame >= frame else -1) if frame in anchors_at else 0
      for frame in range(cut.frames)
    ]
    text = '\n'.join(map(str, directions)) + '\n'
    text_files.write(folder / 'anchor.value', text)
  height, width = image_files.size(sequence.frame_paths[0])
  metadata = _SEQUENCE.format(
    name=cut.name, width=width, height=height, length=cut.frames
  )
  text_files.write(folder / 'sequence', metadata)


if __name__ == '__main__':
  sys.exit(command.run(define, main, __doc__))
