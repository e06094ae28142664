"""Functions that find the folders of sequences, and their numbered images."""

from pathlib import Path

from acm_jax.datasets import sequences


def folders_with(root: Path, name: str) -> list[Path]:
  """Returns the subfolders of `root` that contain a file or folder `name`."""
  return [path.parent for path in sorted(root.glob(f'*/{name}'))]


def frames_from(
  images: Path, first: int = 0, last: int | None = None
) -> list[Path]:
  """Returns a folder's images with frame numbers `first` to `last`, in order.

  The frame number is the number at the end of a file's name, before the suffix.
  `last` is included; if it is None, all images from `first` on are returned.
  """
  numbered = sequences.numbered_images(images)
  return [
    path
    for number, path in numbered.items()
    if number >= first and (last is None or number <= last)
  ]
