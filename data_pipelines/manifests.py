"""Manifests, which describe a folder of training data and verify its files.

A folder's `manifest.json` is written last and lists the size and the checksum
of every other file.
"""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from etils import epath

from acm_jax.host.staging import replacing

NAME = 'manifest.json'
# Number of simultaneous requests to a remote file system.
REQUESTS = 32


def load(folder: epath.PathLike) -> dict[str, Any]:
  """Reads a manifest of any kind and version.

  Raises:
    FileNotFoundError: The folder has no manifest, so it is not a clip set.
    ValueError: The manifest is not JSON.
  """
  path = epath.Path(folder) / NAME
  if not path.exists():
    raise FileNotFoundError(
      f'{folder}: not a clip set (manifest.json is missing); write it, or name '
      'another folder'
    )
  try:
    manifest = json.loads(path.read_text())
  except json.JSONDecodeError as error:
    raise ValueError(
      f'{path}: not JSON ({error}); write the folder again'
    ) from None
  if not isinstance(manifest, dict):
    raise ValueError(f'{path}: not a manifest; write the folder again')
  return manifest


def kind_of(manifest: dict[str, Any]) -> str:
  """Returns the kind of data that a manifest describes, such as 'clips'."""
  return manifest.get('kind', 'clips')


def read(folder: epath.PathLike, kind: str, version: int) -> dict[str, Any]:
  """Reads a manifest of one kind and version.

  Raises:
    FileNotFoundError: The folder has no manifest, so it is not a clip set.
    ValueError: The manifest has another kind or version, or is not JSON.
  """
  manifest = load(folder)
  path = epath.Path(folder) / NAME
  if kind_of(manifest) != kind:
    raise ValueError(
      f'{path}: describes data of the kind {kind_of(manifest)}, not {kind}; '
      'name another folder'
    )
  if manifest.get('version') != version:
    raise ValueError(
      f'{path}: version {manifest.get("version")}, not {version}; '
      'write the folder again'
    )
  return manifest


def write(folder: epath.PathLike, manifest: dict[str, Any]) -> None:
  """Writes the manifest of a folder whose other files are complete."""
  with replacing(epath.Path(folder) / NAME) as path:
    path.write_text(json.dumps(manifest, indent=2) + '\n')


def fingerprint(path: Path) -> dict[str, Any]:
  """Computes a file's entry in the manifest: its size and SHA-256 checksum."""
  with path.open('rb') as file:
    digest = hashlib.file_digest(file, 'sha256').hexdigest()
  return {'bytes': path.stat().st_size, 'sha256': digest}


def check_sizes(folder: epath.PathLike, manifest: dict[str, Any]) -> None:
  """Checks that every file of a manifest exists and has the listed size.

  Raises:
    FileNotFoundError: A file is missing.
    ValueError: A file has another size.
  """
  folder, files = epath.Path(folder), manifest['files']
  # On a remote file system each size costs a request; many can run at once.
  with ThreadPoolExecutor(REQUESTS) as pool:
    sizes = list(pool.map(lambda name: _size(folder / name), files))
  for (name, entry), size in zip(files.items(), sizes, strict=True):
    if size is None:
      raise FileNotFoundError(
        f'{folder / name}: missing; write the folder again'
      )
    if size != entry['bytes']:
      raise ValueError(
        f'{folder / name}: {size} bytes, not {entry["bytes"]} as in the '
        'manifest; write the folder again'
      )


def verify(folder: epath.PathLike, manifest: dict[str, Any]) -> None:
  """Checks the size and the checksum of every file of a manifest.

  Raises:
    FileNotFoundError: A file is missing.
    ValueError: A file has changed; the message names it.
  """
  check_sizes(folder, manifest)
  for name, entry in manifest['files'].items():
    path, digest = epath.Path(folder) / name, hashlib.sha256()
    with path.open('rb') as file:
      while block := file.read(1 << 20):
        digest.update(block)
    if digest.hexdigest() != entry['sha256']:
      raise ValueError(
        f'{path}: damaged (wrong checksum); write the folder again'
      )


def _size(path: epath.Path) -> int | None:
  return path.stat().length if path.exists() else None
