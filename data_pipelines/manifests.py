"""Reads and writes manifests: files that describe folders of training data.

A folder's manifest is the file `manifest.json`, which is written last. It lists
the size and the checksum of every other file, so that damage can be detected.
"""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from etils import epath

from acm_jax.host import text_files
from acm_jax.host.staging import replacing

NAME = 'manifest.json'
# Number of simultaneous requests to a remote file system.
REQUESTS = 32
# Advice at the end of error messages about damaged folders.
ADVICE = (
  'write the folder again with the command that made it, such as '
  'acm-jax prepare'
)


def load(folder: epath.PathLike) -> dict[str, Any]:
  """Reads the manifest of a folder, but does not check its kind and version.

  Raises:
    FileNotFoundError: The folder has no manifest.
    ValueError: The manifest is not a JSON object.
  """
  path = epath.Path(folder) / NAME
  if not path.exists():
    raise FileNotFoundError(
      f'{folder}: not a clip set or composed set (manifest.json is missing); '
      'name another folder, or write a set with acm-jax prepare or acm-jax '
      'composed'
    )
  try:
    manifest = json.loads(text_files.read(path))
  except json.JSONDecodeError as error:
    raise ValueError(f'{path}: not JSON ({error}); {ADVICE}') from None
  if not isinstance(manifest, dict):
    raise ValueError(f'{path}: not a JSON object; {ADVICE}')
  return manifest


def kind_of(manifest: dict[str, Any]) -> str:
  """Returns the kind of data that a manifest describes, such as 'clips'."""
  return manifest.get('kind', 'clips')


def read(folder: epath.PathLike, kind: str, version: int) -> dict[str, Any]:
  """Reads the manifest of a folder and checks its kind and version.

  Raises:
    FileNotFoundError: The folder has no manifest.
    ValueError: The manifest describes another kind of data, has an unsupported
      version, or is not JSON.
  """
  manifest = load(folder)
  path = epath.Path(folder) / NAME
  if kind_of(manifest) != kind:
    raise ValueError(
      f'{path}: describes data of the kind {kind_of(manifest)!r}, but '
      f'{kind!r} is needed; name another folder'
    )
  if manifest.get('version') != version:
    raise ValueError(
      f'{path}: has format version {manifest.get("version")}, but this release '
      f'reads version {version}; {ADVICE}'
    )
  return manifest


def write(folder: epath.PathLike, manifest: dict[str, Any]) -> None:
  """Writes the manifest of a folder, after all other files are complete."""
  with replacing(epath.Path(folder) / NAME) as path:
    text_files.write(path, json.dumps(manifest, indent=2) + '\n')


def fingerprint(path: Path) -> dict[str, Any]:
  """Computes the manifest's entry for a file: size and SHA-256 checksum."""
  with path.open('rb') as file:
    digest = hashlib.file_digest(file, 'sha256').hexdigest()
  return {'bytes': path.stat().st_size, 'sha256': digest}


def check_sizes(folder: epath.PathLike, manifest: dict[str, Any]) -> None:
  """Checks that all files listed in a manifest exist and have the listed sizes.

  Raises:
    FileNotFoundError: A file is missing.
    ValueError: A file has a size other than the listed one.
  """
  folder, files = epath.Path(folder), manifest['files']
  # On a remote file system, every size costs a request. Threads send many
  # requests at the same time.
  with ThreadPoolExecutor(REQUESTS) as pool:
    sizes = list(pool.map(lambda name: _size(folder / name), files))
  for (name, entry), size in zip(files.items(), sizes, strict=True):
    if size is None:
      raise FileNotFoundError(f'{folder / name}: missing; {ADVICE}')
    if size != entry['bytes']:
      raise ValueError(
        f'{folder / name}: has {size} bytes, but the manifest lists '
        f'{entry["bytes"]}; {ADVICE}'
      )


def verify(folder: epath.PathLike, manifest: dict[str, Any]) -> None:
  """Checks the size and the checksum of every file that a manifest lists.

  Raises:
    FileNotFoundError: A file is missing.
    ValueError: A file does not have the size or the checksum that the manifest
      lists; the message names the file.
  """
  check_sizes(folder, manifest)
  for name, entry in manifest['files'].items():
    path, digest = epath.Path(folder) / name, hashlib.sha256()
    with path.open('rb') as file:
      while block := file.read(1 << 20):
        digest.update(block)
    if digest.hexdigest() != entry['sha256']:
      raise ValueError(f'{path}: damaged (wrong checksum); {ADVICE}')


def _size(path: epath.Path) -> int | None:
  return path.stat().length if path.exists() else None
