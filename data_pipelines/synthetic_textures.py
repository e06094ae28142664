"""Textures and shapes for synthetic sequences.

A texture is procedural (noise of several octaves, stripes, checks, gradients)
or a piece of a photograph. All randomness comes from the
`numpy.random.Generator` that is passed in.
"""

from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from acm_jax.datasets import image_files, image_names

Rgb = UInt8[np.ndarray, 'h w 3']
Alpha = UInt8[np.ndarray, 'h w']


class Textures:
  """A source of textures, procedural or cut from the images of a folder."""

  def __init__(self, folder: Path | None = None):
    """Lists the images of a folder.

    Args:
      folder: Folder of photographs, searched recursively; None for procedural
        textures.

    Raises:
      FileNotFoundError: The folder does not exist.
      ValueError: The folder has no images.
    """
    self._images: list[Path] = []
    if folder is not None:
      self._images = image_names.photographs(folder, '**/*')

  def scene(self, rng: np.random.Generator, h: int, w: int) -> Rgb:
    """Samples a texture of h x w px."""
    if not self._images:
      return procedural(rng, h, w)
    image = self._photograph(rng)
    have_h, have_w = image.shape[:2]
    scale = max(h / have_h, w / have_w) * rng.uniform(1.0, 1.6)
    image = cv2.resize(image, None, fx=scale, fy=scale)
    image = cv2.copyMakeBorder(image, 0, 1, 0, 1, cv2.BORDER_REPLICATE)
    y = rng.integers(image.shape[0] - h + 1)
    x = rng.integers(image.shape[1] - w + 1)
    return _mirrored(rng, image[y : y + h, x : x + w])

  def family(
    self, rng: np.random.Generator, side: int, members: int
  ) -> list[Rgb]:
    """Samples several textures of side x side px that resemble each other."""
    if not self._images:
      large = procedural(rng, 2 * side, 2 * side)
      return [_piece(rng, large, side) for _ in range(members)]
    image = self._photograph(rng)
    return [
      cv2.resize(
        _window(rng, image), (side, side), interpolation=cv2.INTER_AREA
      )
      for _ in range(members)
    ]

  def _photograph(self, rng: np.random.Generator) -> Rgb:
    return image_files.read(self._images[rng.integers(len(self._images))])


def procedural(rng: np.random.Generator, h: int, w: int) -> Rgb:
  """Samples a texture of h x w px with structure at several scales.

  The texture is a blend of two to four colours.
  """
  level = _fractal(rng, h, w)
  kind = rng.integers(4)
  if kind:
    pattern = (_stripes, _checks, _gradient)[kind - 1](rng, h, w)
    weight = rng.uniform(0.3, 0.8)
    level = weight * pattern + (1 - weight) * level
  colors = rng.uniform(0, 255, (rng.integers(2, 5), 3))
  # Move the colours towards their mean: a real surface has similar colours.
  colors = colors.mean(0) + (colors - colors.mean(0)) * rng.uniform(0.4, 1.0)
  stops = np.linspace(0, 1, len(colors))
  table = [np.interp(np.linspace(0, 1, 256), stops, c) for c in colors.T]
  index = np.clip(level * 255, 0, 255).astype(np.uint8)
  return cv2.merge([np.rint(t).astype(np.uint8)[index] for t in table])


def shape(rng: np.random.Generator, side: int) -> Alpha:
  """Renders a random shape that does not touch the edges of the image.

  Args:
    rng: Source of randomness.
    side: Side of the square image, px.

  Returns:
    Coverage of each pixel by the shape, 0 to 255.
  """
  # Rendering at twice the size and downsampling makes the edge soft.
  large = np.zeros((2 * side, 2 * side), np.uint8)
  angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
  kind = rng.integers(4)
  if kind == 0:
    radius = np.full(48, 0.97)
  elif kind == 1:
    # A square with rounded corners: |x|^n + |y|^n = 1 in polar form.
    n = rng.uniform(4, 12)
    radius = 1 / (abs(np.cos(angle)) ** n + abs(np.sin(angle)) ** n) ** (1 / n)
  elif kind == 2:
    angle = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(5, 10)))
    radius = rng.uniform(0.6, 1.0, len(angle))
  else:
    waves = rng.normal(0, 0.1, (4, 2)) / np.arange(1, 5)[:, None] ** 0.5
    turns = np.arange(2, 6)[:, None] * angle
    radius = 0.85 + waves[:, 0] @ np.cos(turns) + waves[:, 1] @ np.sin(turns)
  points = np.stack([np.cos(angle), np.sin(angle)], -1) * radius[:, None]
  low, high = points.min(0), points.max(0)
  points = (points - low) / (high - low) * (2 * side - 13) + 6
  cv2.fillPoly(large, [np.rint(points).astype(np.int32)], 255)
  return cv2.resize(large, (side, side), interpolation=cv2.INTER_AREA)


def sprite(texture: Rgb, alpha: Alpha) -> UInt8[np.ndarray, 'h w 4']:
  """Returns the texture as an RGBA image with premultiplied alpha."""
  rgb = cv2.multiply(texture, cv2.merge([alpha] * 3), scale=1 / 255)
  return cv2.merge([rgb, alpha])


def _fractal(rng: np.random.Generator, h: int, w: int) -> np.ndarray:
  """Samples noise of several octaves, with values in [0, 1]."""
  total = np.zeros((h, w), np.float32)
  cells, weight, decay = rng.integers(2, 6), 1.0, rng.uniform(0.45, 0.8)
  while cells < max(h, w) / 2:
    noise = rng.random((cells + 1, cells + 1), np.float32)
    total += weight * cv2.resize(noise, (w, h), interpolation=cv2.INTER_CUBIC)
    cells, weight = cells * 2, weight * decay
  return cv2.normalize(total, None, 0, 1, cv2.NORM_MINMAX)


def _axes(rng, h, w):
  """Returns each pixel's coordinates along and across a random direction."""
  angle = rng.uniform(0, np.pi)
  y, x = np.mgrid[:h, :w].astype(np.float32)
  c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
  return c * x + s * y, c * y - s * x


def _stripes(rng, h, w):
  along, across = _axes(rng, h, w)
  period = rng.uniform(0.06, 0.4) * max(h, w)
  bend = rng.uniform(0, 0.15) * period * np.sin(across / period * 2)
  return 0.5 + 0.5 * np.sin((along + bend) * (2 * np.pi / period))


def _checks(rng, h, w):
  along, across = _axes(rng, h, w)
  period = rng.uniform(0.1, 0.4) * max(h, w)
  aspect = rng.uniform(0.5, 2)
  cells = np.floor(along / period) + np.floor(across / period / aspect)
  return cells % 2


def _gradient(rng, h, w):
  along, _ = _axes(rng, h, w)
  return cv2.normalize(along, None, 0, 1, cv2.NORM_MINMAX)


def _piece(rng, image, side):
  y, x = rng.integers(0, np.array(image.shape[:2]) - side + 1)
  return np.ascontiguousarray(image[y : y + side, x : x + side])


def _window(rng, image):
  """Cuts a piece near a photograph's centre, where its subject usually is."""
  h, w = image.shape[:2]
  part = rng.uniform(0.35, 0.8)
  ph, pw = int(h * part), int(w * part)
  y = int((h - ph) * np.clip(rng.normal(0.5, 0.2), 0, 1))
  x = int((w - pw) * np.clip(rng.normal(0.5, 0.2), 0, 1))
  return _mirrored(rng, image[y : y + ph, x : x + pw])


def _mirrored(rng, image):
  return np.ascontiguousarray(image[:, ::-1] if rng.random() < 0.5 else image)
