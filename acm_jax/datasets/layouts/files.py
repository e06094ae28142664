"""Functions that find the folders of sequences."""

from pathlib import Path

from acm_jax.host import listing


def folders_with(root: Path, name: str) -> list[Path]:
  """Returns the subfolders of `root` that contain a file or folder `name`.

  Hidden subfolders are left out.
  """
  return [path.parent for path in listing.find(root, f'*/{name}')]
