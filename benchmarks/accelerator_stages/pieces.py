"""Splits a folder into files of limited size, and joins them again.

The pieces are consecutive parts of a tar archive. The file NAME.pieces.json
lists the pieces and their checksums. The names of the pieces contain the
checksums, too. Pieces of a newer state of the folder can therefore be written
next to the older pieces, while these are still listed.

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
from typing import NamedTuple

from absl import flags

from acm_jax.host import command, text_files
from acm_jax.host.staging import replacing, staged

# Some remote machines return only files below 16 MiB.
PIECE_BYTES = 15 * 2**20
_SUFFIX = '.pieces.json'


class Written(NamedTuple):
  """Files that `split` has written.

  Attributes:
    listing: JSON file that lists the pieces.
    pieces: Files of the pieces, in order.
  """

  listing: Path
  pieces: list[Path]


def split(
  folder: Path,
  out: Path,
  *,
  without: Collection[str] = (),
  piece_bytes: int = PIECE_BYTES,
) -> Written:
  """Writes a folder as pieces NAME.tar.000.CHECKSUM, ... and their list.

  At any time, all pieces in the list exist: the pieces of an earlier call are
  removed only after the new list is written.

  Args:
    folder: Folder to split.
    out: Folder of the pieces.
    without: Paths in `folder` to leave out, as patterns with wildcards.
    piece_bytes: Maximum size of a piece, bytes.

  Raises:
    FileNotFoundError: A file was removed while it was read; nothing was
      written.
  """

  def wanted(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    left_out = any(fnmatch.fnmatchcase(member.name, each) for each in without)
    return None if left_out else member

  entries, paths = [], []
  with tempfile.TemporaryFile() as archive:
    with tarfile.open(fileobj=archive, mode='w') as tar:
      for path in sorted(folder.iterdir()):
        tar.add(path, path.name, filter=wanted)
    archive.seek(0)
    while data := archive.read(piece_bytes):
      checksum = _sha256(data)
      name = f'{folder.name}.tar.{len(entries):03d}.{checksum[:8]}'
      paths.append(out / name)
      with replacing(paths[-1]) as partial:
        partial.write_bytes(data)
      entries.append({'name': name, 'bytes': len(data), 'sha256': checksum})
  listing = out / f'{folder.name}{_SUFFIX}'
  with replacing(listing) as partial:
    text_files.write(partial, json.dumps({'pieces': entries}, indent=1) + '\n')
  for path in set(out.glob(f'{folder.name}.tar.*')) - set(paths):
    path.unlink()
  return Written(listing, paths)


def join(listing: Path, out: Path) -> None:
  """Restores a folder from its pieces.

  Args:
    listing: List of the pieces, which are in the same folder.
    out: New folder to restore.

  Raises:
    FileNotFoundError: The list or a piece is missing.
    ValueError: `out` exists, or a file is damaged.
  """
  if not listing.is_file():
    raise FileNotFoundError(f'{listing}: no such file; give NAME{_SUFFIX}')
  try:
    entries = json.loads(text_files.read(listing))['pieces']
  except (ValueError, KeyError, TypeError) as error:
    raise ValueError(
      f'{listing}: not a list of pieces; copy the file again'
    ) from error
  with tempfile.TemporaryFile() as archive:
    for entry in entries:
      path = listing.with_name(entry['name'])
      if not path.is_file():
        raise FileNotFoundError(f'{path}: missing; copy it next to {listing}')
      data = path.read_bytes()
      if _sha256(data) != entry['sha256']:
        raise ValueError(f'{path}: damaged (wrong checksum); copy it again')
      archive.write(data)
    archive.seek(0)
    with staged(out) as folder, tarfile.open(fileobj=archive) as tar:
      tar.extractall(folder, filter='data')


def _sha256(data: bytes) -> str:
  return hashlib.sha256(data).hexdigest()


def define(values: flags.FlagValues) -> None:
  """Defines the command's flags on `values`."""
  for name, text in (
    ('list', 'List of the pieces, NAME.pieces.json.'),
    ('out', 'New folder to restore.'),
  ):
    flags.DEFINE_string(name, None, text, required=True, flag_values=values)


def main(values: flags.FlagValues) -> None:
  """Restores the folder --out from the pieces in --list."""
  join(Path(values.list), Path(values.out))
  print(f'restored {values.out}')


if __name__ == '__main__':
  sys.exit(command.run(define, main, __doc__))
