"""Packs: folders of limited size with the files that a bare machine lacks."""

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from acm_jax.host.staging import staged

LIMIT_BYTES = 60 * 2**20
DATA = 'data'
SEQUENCES = 'sequences'
CHECKPOINTS = 'checkpoints'
WHEELS = 'wheels'


def pack(
  out: Path,
  *,
  data: Path | None = None,
  sequences: Path | None = None,
  wheels: Path | None = None,
  checkpoints: Sequence[str] = (),
) -> dict[str, int]:
  """Writes data/, sequences/, wheels/ and checkpoints/NAME to `out`.

  Args:
    out: New folder of the pack.
    data: Folder of clip sets, which are prepared data sets.
    sequences: Root folder of a benchmark's sequences.
    wheels: Folder of Python wheels.
    checkpoints: Folders of training runs or of converted models, of which only
      weights and configs are packed.

  Returns:
    Size of each file or folder in the pack, bytes. Keys are paths, such as
    checkpoints/NAME.

  Raises:
    OSError: A folder or a checkpoint does not exist.
    ValueError: `out` exists, or the parts exceed `LIMIT_BYTES`; the message
      lists their sizes.
  """
  folders = {DATA: data, SEQUENCES: sequences, WHEELS: wheels}
  with staged(out) as folder:
    for name, source in folders.items():
      if source is None:
        continue
      if not source.is_dir():
        raise FileNotFoundError(
          f'`{name}`={source}: no such folder; give an existing one'
        )
      shutil.copytree(source, folder / name)
    for checkpoint in checkpoints:
      _copy_weights(checkpoint, folder / CHECKPOINTS)
    sizes = {
      str(path.relative_to(folder)): _bytes(path)
      for part in sorted(folder.iterdir())
      for path in sorted(part.iterdir())
    }
    if sum(sizes.values()) > LIMIT_BYTES:
      listed = ', '.join(f'{k} {v / 2**20:.1f}' for k, v in sizes.items())
      raise ValueError(
        f'{out}: {sum(sizes.values()) / 2**20:.1f} MiB, more than the limit of '
        f'{LIMIT_BYTES // 2**20} MiB; leave out some of these (MiB): {listed}'
      )
  return sizes


def _copy_weights(checkpoint: str, folder: Path) -> None:
  # Imported only here, because the process that runs the stages imports this
  # module and must not start JAX on the accelerator.
  from acm_jax.training import trained

  config, variables = trained.read(checkpoint)
  name = Path(checkpoint.partition('@')[0]).resolve().name
  model = folder / name
  model.mkdir(parents=True)
  trained.save(model, config, variables)


def _bytes(path: Path) -> int:
  files = path.rglob('*') if path.is_dir() else [path]
  return sum(file.stat().st_size for file in files if file.is_file())


def use_wheels(packed: Path) -> None:
  """Makes the pack's wheels importable in this process and its children."""
  wheels = [str(path.resolve()) for path in (packed / WHEELS).glob('*.whl')]
  sys.path += wheels
  paths = [os.environ.get('PYTHONPATH'), *wheels]
  os.environ['PYTHONPATH'] = os.pathsep.join(filter(None, paths))
