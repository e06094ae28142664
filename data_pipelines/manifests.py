"""Manifests: what a folder of training data holds, and whether it is whole.

A `manifest.json` is written last, with size and checksum of every other file.
"""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from etils import epath

from acm_jax.host.staging import replacing

NAME = 'manifest.json'
# Files far away whose sizes are asked for at once.
REQUESTS = 32


def load(folder: epath.PathLike) -> dict[str, Any]:
  """Reads a manifest of any kind and version.

  Raises:
    FileNotFoundError: There is none, so that `folder` is no clip set.
    ValueError: It is not JSON.
  """
  path = epath.Path(folder) / NAME
  if not path.exists():
    raise FileNotFoundError(f'{folder}: no clip set (manifest.json is missing)')
  try:
    manifest = json.loads(path.read_text())
  except json.JSONDecodeError as error:
    raise ValueError(f'{path}: not JSON ({error}); write it again') from None
  if not isinstance(manifest, dict):
    raise ValueError(f'{path}: not a manifest; write the folder again')
  return manifest


def kind_of(manifest: dict[str, Any]) -> str:
  """The kind of data that a manifest describes: 'clips' or another."""
  return manifest.get('kind', 'clips')


def read(folder: epath.PathLike, kind: str, version: int) -> dict[str, Any]:
  """Reads a manifest of one kind and version.

  Raises:
    FileNotFoundError: There is none, so that `folder` is no clip set.
    ValueError: It is of another kind or version, or not JSON.
  """
  manifest = load(folder)
  path = epath.Path(folder) / NAME
  if kind_of(manifest) != kind:
    raise ValueError(f'{path}: of {kind_of(manifest)}, not of {kind}')
  if manifest.get('version') != version:
    raise ValueError(
      f'{path}: version {manifest.get("version")}, not {version}; '
      'write the folder again'
    )
  return manifest


def write(folder: epath.PathLike, manifest: dict[str, Any]) -> None:
  """Writes the manifest of a folder whose other files are written."""
  with replacing(epath.Path(folder) / NAME) as path:
    path.write_text(json.dumps(manifest, indent=2) + '\n')


def fingerprint(path: Path) -> dict[str, Any]:
  """Returns what the manifest says of a file: its size and checksum."""
  with path.open('rb') as file:
    digest = hashlib.file_digest(file, 'sha256').hexdigest()
  return {'bytes': path.stat().st_size, 'sha256': digest}


def check_sizes(folder: epath.PathLike, manifest: dict[str, Any]) -> None:
  """Makes sure that every file is there and has its size.

  Raises:
    FileNotFoundError: A file is missing.
    ValueError: A file has another size.
  """
  folder, files = epath.Path(folder), manifest['files']
  # Far away each is a question, of which many can be under way.
  with ThreadPoolExecutor(REQUESTS) as pool:
    sizes = list(pool.map(lambda name: _size(folder / name), files))
  for (name, about), size in zip(files.items(), sizes, strict=True):
    if size is None:
      raise FileNotFoundError(
        f'{folder / name}: missing; write the folder again'
      )
    if size != about['bytes']:
      raise ValueError(
        f'{folder / name}: {size} bytes, not the {about["bytes"]} of the '
        'manifest; write the folder again'
      )


def verify(folder: epath.PathLike, manifest: dict[str, Any]) -> None:
  """Makes sure that every file is as it was written.

  Raises:
    FileNotFoundError: A file is missing.
    ValueError: A file is another one; the message names it.
  """
  check_sizes(folder, manifest)
  for name, about in manifest['files'].items():
    path, digest = epath.Path(folder) / name, hashlib.sha256()
    with path.open('rb') as file:
      while block := file.read(1 << 20):
        digest.update(block)
    if digest.hexdigest() != about['sha256']:
      raise ValueError(
        f'{path}: damaged (its checksum is another one); write the folder again'
      )


def _size(path: epath.Path) -> int | None:
  return path.stat().length if path.exists() else None
