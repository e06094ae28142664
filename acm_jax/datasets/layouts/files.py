"""What the readers share: folders, and images by their numbers."""

from pathlib import Path

from acm_jax.datasets import sequences


def folders_with(root: Path, part: str) -> list[Path]:
  """Folders below `root` that have a file or folder of that name."""
  return [path.parent for path in sorted(root.glob(f'*/{part}'))]


def frames_from(
  images: Path, first: int = 0, last: int | None = None
) -> list[Path]:
  """Images of a folder by number, from the first to the last asked for."""
  numbered = sequences.numbered_images(images)
  return [
    path
    for number, path in numbered.items()
    if number >= first and (last is None or number <= last)
  ]
