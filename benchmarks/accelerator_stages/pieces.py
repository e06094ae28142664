"""A folder as files of limited size, and back.

  python -m benchmarks.accelerator_stages.pieces \\
    OUT/nanotrack_acm.pieces.json --out runs/nanotrack_acm

The pieces are consecutive parts of a tar archive; NAME.pieces.json lists them
with their checksums.
"""

import argparse
import hashlib
import json
import sys
import tarfile
import tempfile
from collections.abc import Collection
from pathlib import Path

from data_pipelines.command_line import Parser
from data_pipelines.staging import replacing, staged

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
  """Writes a folder as pieces NAME.tar.000, ... and their list.

  Args:
    folder: What is written.
    out: Folder of the pieces.
    without: Names in `folder` that are left out.
    piece_bytes: Largest size of a piece.

  Returns:
    The list, then the pieces.
  """
  about, paths = [], []
  with tempfile.TemporaryFile() as archive:
    with tarfile.open(fileobj=archive, mode='w') as tar:
      for path in sorted(folder.iterdir()):
        if path.name not in without:
          tar.add(path, path.name)
    archive.seek(0)
    while data := archive.read(piece_bytes):
      name = f'{folder.name}.tar.{len(about):03d}'
      paths.append(out / name)
      with replacing(paths[-1]) as partial:
        partial.write_bytes(data)
      about.append({'name': name, 'bytes': len(data), 'sha256': _sha256(data)})
  listed = out / f'{folder.name}{_SUFFIX}'
  with replacing(listed) as partial:
    partial.write_text(json.dumps({'pieces': about}, indent=1) + '\n')
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


def main(argv: list[str] | None = None) -> int:
  """Joins pieces and returns the exit code."""
  parser = Parser('benchmarks.accelerator_stages.pieces', __doc__)
  parser.add_argument('list', type=Path, help='NAME.pieces.json')
  parser.add_argument('--out', type=Path, required=True, help='new folder')

  def work(options: argparse.Namespace) -> str:
    join(options.list, options.out)
    return f'{options.out} is whole'

  return parser.run(work, argv)


if __name__ == '__main__':
  sys.exit(main())
