"""Writes the eleven real targets of docs/results.md as one folder of sequences.

The targets are the sequences of OTB100, VOT2018, UAV123_10fps and TinyTLP that
DATA has. Images are symbolic links. All trackers can then be compared in one
run and one table.

Example:
  PYTHONPATH=. python benchmarks/real_targets.py --data_dir DATA --out OUT
  acm-jax evaluate --benchmark folder --data_dir OUT --out results \\
    --baseline csrt --baseline kcf
"""

import sys
from pathlib import Path

import numpy as np
from absl import flags

from acm_jax.datasets.sequences import Sequence
from acm_jax.evaluation import benchmarks
from acm_jax.evaluation.truth import Truth
from acm_jax.host import command
from acm_jax.host.staging import staged

BENCHMARKS = ('OTB100', 'VOT2018', 'UAV123_10fps', 'TinyTLP')


def define(values: flags.FlagValues) -> None:
  """Defines the command's flags on `values`."""
  for name, text in (
    ('data_dir', f'Folder with {", ".join(f"{n}/" for n in BENCHMARKS)}.'),
    ('out', 'New folder for the sequences.'),
  ):
    flags.DEFINE_string(name, None, text, required=True, flag_values=values)


def main(values: flags.FlagValues) -> None:
  """Writes the sequences to --out."""
  with staged(Path(values.out)) as folder:
    for name in BENCHMARKS:
      root = Path(values.data_dir) / name
      for sequence in benchmarks.sequences(benchmarks.get(name.lower()), root):
        _write(sequence, folder / f'{name}-{sequence.name}')
    count = len(list(folder.iterdir()))
  print(f'{count} sequences in {values.out}')


def _write(sequence: Sequence, folder: Path) -> None:
  (folder / 'img').mkdir(parents=True)
  for number, path in enumerate(sequence.frame_paths):
    link = folder / 'img' / f'{number:06d}{path.suffix}'
    link.symlink_to(path.resolve())
  truth = Truth.of(sequence)
  boxes = np.where(truth.absent[:, None], np.nan, sequence.box_xywh)
  np.savetxt(folder / 'groundtruth.txt', boxes, '%.4f', ',')


if __name__ == '__main__':
  sys.exit(command.run(define, main, __doc__))
