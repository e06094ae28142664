"""Collects what a bare machine lacks into one folder of limited size."""

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from acm_jax.host.staging import staged

LIMIT_BYTES = 60 * 2**20
DATA, SEQUENCES, CHECKPOINTS, WHEELS = [
  'data',
  'sequences',
  'checkpoints',
  'wheels',
]


def pack(
  out: Path,
  *,
  data: Path | None = None,
  sequences: Path | None = None,
  wheels: Path | None = None,
  checkpoints: Sequence[str] = (),
) -> dict[str, int]:
  """Writes data/, sequences/, wheels/ and checkpoints/NAME below `out`.

  Args:
    out: The folder; it must not exist yet.
    data: Folder of clip sets.
    sequences: Root of a benchmark's sequences.
    wheels: Folder of wheels.
    checkpoints: Runs or conversions; their weights alone are taken.

  Returns:
    Bytes of each part.

  Raises:
    OSError: What is named is not there.
    ValueError: `out` exists, or the parts exceed `LIMIT_BYTES`; the message
      lists their sizes.
  """
  folders = {DATA: data, SEQUENCES: sequences, WHEELS: wheels}
  with staged(out) as folder:
    for name, source in folders.items():
      if source is None:
        continue
      if not source.is_dir():
        raise FileNotFoundError(f'--{name} {source}: no such folder')
      shutil.copytree(source, folder / name)
    for place in checkpoints:
      _copy_weights(place, folder / CHECKPOINTS)
    sizes = {
      str(path.relative_to(folder)): _bytes(path)
      for part in sorted(folder.iterdir())
      for path in sorted(part.iterdir())
    }
    if sum(sizes.values()) > LIMIT_BYTES:
      listed = ', '.join(f'{k} {v / 2**20:.1f}' for k, v in sizes.items())
      raise ValueError(
        f'--pack {out}: {sum(sizes.values()) / 2**20:.1f} MiB, more than '
        f'{LIMIT_BYTES // 2**20}: leave some out of {listed}'
      )
  return sizes


def _copy_weights(place: str, folder: Path) -> None:
  # Here, since the driver of the stages must not start JAX on the accelerator.
  from acm_jax.training import checkpoints

  config, variables = checkpoints.load_variables(place)
  name = Path(place.partition('@')[0]).resolve().name
  checkpoints.save_variables(folder / name, config, variables)


def _bytes(path: Path) -> int:
  files = path.rglob('*') if path.is_dir() else [path]
  return sum(file.stat().st_size for file in files if file.is_file())


def use_wheels(packed: Path) -> None:
  """Lets this process and those it starts import from the pack's wheels."""
  wheels = [str(path.resolve()) for path in (packed / WHEELS).glob('*.whl')]
  sys.path += wheels
  paths = [os.environ.get('PYTHONPATH'), *wheels]
  os.environ['PYTHONPATH'] = os.pathsep.join(filter(None, paths))
