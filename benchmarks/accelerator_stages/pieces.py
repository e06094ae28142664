"""A folder as files of limited size, and back.

The pieces are consecutive parts of a tar archive; NAME.pieces.json lists them
with their checksums. These are part of the names too, so that pieces of a later
state of the folder can lie beside those that the list still names.

Example:
  python -m benchmarks.accelerator_stages.pieces \\
    --list OUT/nanotrack_acm.pieces.json --out runs/nanotrack_acm
"""

import fnmatch
import hashlib
import json
import sys
import tarfile
import tempfile
from collections.abc import Collection
from pathlib import Path

from absl import flags

from acm_jax.host import command
from acm_jax.host.staging import replacing, staged

# Below 16 MiB, which is the most that some machines hand back.
PIECE_BYTES = 15 * 2**20
_SUFFIX = '.pieces.json'


def split(
  folder: Path,
  out: Path,
  *,
  without: Collection[str] = (),
  piece_bytes: int = PIECE_BYTES,
) -> list[Path]:
  """Writes a folder as pieces NAME.tar.000.CHECKSUM, ... and their list.

  All that the list names is there at any time: those of an earlier call are
  removed when the list is a new one.

  Args:
    folder: What is written.
    out: Folder of the pieces.
    without: Patterns of paths in `folder` that are left out.
    piece_bytes: Largest size of a piece.

  Returns:
    The list, then the pieces.

  Raises:
    FileNotFoundError: A file went while it was read; nothing was written.
  """

  def wanted(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    left_out = any(fnmatch.fnmatchcase(member.name, each) for each in without)
    return None if left_out else member

  about, paths = [], []
  with tempfile.TemporaryFile() as archive:
    with tarfile.open(fileobj=archive, mode='w') as tar:
      for path in sorted(folder.iterdir()):
        tar.add(path, path.name, filter=wanted)
    archive.seek(0)
    while data := archive.read(piece_bytes):
      checksum = _sha256(data)
      name = f'{folder.name}.tar.{len(about):03d}.{checksum[:8]}'
      paths.append(out / name)
      with replacing(paths[-1]) as partial:
        partial.write_bytes(data)
      about.append({'name': name, 'bytes': len(data), 'sha256': checksum})
  listed = out / f'{folder.name}{_SUFFIX}'
  with replacing(listed) as partial:
    partial.write_text(json.dumps({'pieces': about}, indent=1) + '\n')
  for path in set(out.glob(f'{folder.name}.tar.*')) - set(paths):
    path.unlink()
  return [listed, *paths]


def join(listed: Path, out: Path) -> None:
  """Restores the folder that `split` was given.

  Args:
    listed: The list of pieces, which lie beside it.
    out: The folder; it must not exist yet.

  Raises:
    FileNotFoundError: The list or a piece is missing.
    ValueError: `out` exists, or a file is damaged.
  """
  if not listed.is_file():
    raise FileNotFoundError(f'{listed}: no such file; name NAME{_SUFFIX}')
  try:
    pieces = json.loads(listed.read_text())['pieces']
  except (ValueError, KeyError, TypeError) as error:
    raise ValueError(f'{listed}: not a list of pieces') from error
  with tempfile.TemporaryFile() as archive:
    for piece in pieces:
      path = listed.with_name(piece['name'])
      if not path.is_file():
        raise FileNotFoundError(f'{path}: missing; copy it beside {listed}')
      data = path.read_bytes()
      if _sha256(data) != piece['sha256']:
        raise ValueError(f'{path}: damaged (other checksum); copy it again')
      archive.write(data)
    archive.seek(0)
    with staged(out) as folder, tarfile.open(fileobj=archive) as tar:
      tar.extractall(folder, filter='data')


def _sha256(data: bytes) -> str:
  return hashlib.sha256(data).hexdigest()


def define(values: flags.FlagValues) -> None:
  """Defines the command's flags on `values`."""
  for name, text in (
    ('list', 'File NAME.pieces.json.'),
    ('out', 'Output folder.'),
  ):
    flags.DEFINE_string(name, None, text, required=True, flag_values=values)


def main(values: flags.FlagValues) -> None:
  """Joins the pieces that the flags name."""
  join(Path(values.list), Path(values.out))
  print(f'{values.out} is whole')


if __name__ == '__main__':
  sys.exit(command.run(define, main, __doc__))
