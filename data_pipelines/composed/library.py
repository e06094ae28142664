"""The library of a composed set: its cutouts and photographs.

A composed set is a folder of

    images.bin     concatenated JPEG and PNG files
    index.npz      position and size of each JPEG and PNG in images.bin; the
                   object that each cutout shows; names and classes of the
                   objects; names of the photographs
    manifest.json  settings of the sequences; size and checksum of images.bin
                   and index.npz

`Library` reads images.bin and index.npz into memory, verifies them with
manifest.json, and decodes pictures on demand. `ComposedSet` reads the settings
of the sequences.
"""

import functools
import hashlib
import io
import zipfile
from collections.abc import Iterable
from typing import Any

import cv2
import numpy as np
from etils import epath
from jaxtyping import Float, Int, UInt8

from data_pipelines import manifests

KIND, VERSION = 'composed', 2
IMAGES, INDEX = 'images.bin', 'index.npz'
# Columns of the index. A row of 'cutout' holds the position of the first byte,
# the size of the JPEG and the size of the mask, in bytes. A row of 'photograph'
# holds the position of the first byte, the size in bytes, the height and the
# width. A photograph's name is the end of its path, without the suffix.
COLUMNS = (
  'object_name',
  'object_category',
  'object_home',
  'object_first',
  'object_count',
  'cutout',
  'photograph',
  'photograph_name',
)
# Maximum numbers of decoded photographs and cutouts in the caches. A photograph
# takes about 300 kB, and a cutout about 40 kB.
_CACHED_PHOTOGRAPHS = 1000
_CACHED_CUTOUTS = 3000


class Library:
  """Photographs and cutouts of a composed set.

  Decoded pictures have the channels in OpenCV's order: blue, green, red.

  Attributes:
    folder: Path of the composed set.
    object_name: Name of each object.
    object_category: Class of each object; empty if unknown.
    object_home: Index of the photograph that each object was cut out of; -1 if
      the object is from a video, or if the photograph is not in the library.
    object_first: Index of each object's first cutout.
    object_count: Number of cutouts of each object, at least 1.
    cutout_object: Index of the object that each cutout shows.
    hull: Corners x, y of the convex hull of each cutout's outline, px of the
      cutout.
    side: Square root of the area inside each cutout's outline, px.
    photograph_size: Height and width of each photograph, px.
  """

  def __init__(self, folder: epath.PathLike):
    """Reads the library of a composed set.

    Args:
      folder: Path of the set, local or at an address that etils.epath supports.

    Raises:
      FileNotFoundError: The folder or a file in it is missing.
      ValueError: The folder holds another kind of data or has an unsupported
        format version, or a file is damaged.
    """
    self.folder = epath.Path(folder)
    manifest = read_manifest(self.folder)
    manifests.check_sizes(self.folder, manifest)
    self._data = self._verified(IMAGES, manifest)
    data = self._verified(INDEX, manifest)
    index = _columns(self.folder, data, COLUMNS)
    self.object_name: np.ndarray = index['object_name']
    self.object_category: np.ndarray = index['object_category']
    self.object_home: Int[np.ndarray, 'o'] = index['object_home']
    self.object_first: Int[np.ndarray, 'o'] = index['object_first']
    self.object_count: Int[np.ndarray, 'o'] = index['object_count']
    self._cutouts: Int[np.ndarray, 'c 3'] = index['cutout']
    self._photographs: Int[np.ndarray, 'p 2'] = index['photograph'][:, :2]
    self.photograph_size: Int[np.ndarray, 'p 2'] = index['photograph'][:, 2:]
    self.cutout_object = np.repeat(
      np.arange(len(self.object_first)), self.object_count
    )
    outlines = [self._outline(number) for number in range(len(self._cutouts))]
    self.hull: list[Float[np.ndarray, 'k 2']] = [hull for hull, _ in outlines]
    self.side: Float[np.ndarray, 'c'] = np.sqrt([area for _, area in outlines])
    # All threads share the caches of these methods.
    self.photograph = functools.lru_cache(_CACHED_PHOTOGRAPHS)(self._photograph)
    self.cutout = functools.lru_cache(_CACHED_CUTOUTS)(self._cutout)

  def _verified(self, name: str, manifest: dict[str, Any]) -> bytes:
    """Reads a file and checks its checksum."""
    data = (self.folder / name).read_bytes()
    if hashlib.sha256(data).hexdigest() != manifest['files'][name]['sha256']:
      raise ValueError(
        f'{self.folder / name}: damaged (wrong checksum); {manifests.ADVICE}'
      )
    return data

  def _photograph(self, number: int) -> UInt8[np.ndarray, 'h w 3']:
    """Decodes a photograph.

    The result is cached; callers must not modify it.
    """
    start, length = self._photographs[number].tolist()
    return self._decoded(start, length, cv2.IMREAD_COLOR)

  def _cutout(self, number: int) -> UInt8[np.ndarray, 'h w 4']:
    """Decodes a cutout as a BGRA image with premultiplied alpha.

    The result is cached; callers must not modify it.
    """
    start, length, _ = self._cutouts[number].tolist()
    bgr = self._decoded(start, length, cv2.IMREAD_COLOR)
    return covered(bgr, self.coverage(number))

  def coverage(self, number: int) -> UInt8[np.ndarray, 'h w']:
    """Returns how much of each pixel of a cutout the object covers, 0 to 255.

    The object gets a soft edge, one pixel inside the annotated outline, since
    annotated outlines include some background.
    """
    start, jpeg, length = self._cutouts[number].tolist()
    mask = self._decoded(start + jpeg, length, cv2.IMREAD_GRAYSCALE)
    return cv2.GaussianBlur(cv2.erode(mask, _CROSS), (5, 5), 0.9)

  def _outline(self, number: int) -> tuple[Float[np.ndarray, 'k 2'], float]:
    """Computes the convex hull and the area of the object in a cutout.

    Returns:
      Corners of the hull, x, y, px of the cutout; area, px^2.
    """
    coverage = self.coverage(number)
    inside = cv2.threshold(coverage, 127, 255, cv2.THRESH_BINARY)[1]
    points = cv2.findNonZero(inside)
    if points is None:
      raise ValueError(
        f'{self.folder}: the mask of cutout {number} is empty; '
        f'{manifests.ADVICE}'
      )
    # The hull must include whole pixels, whose corners are half a pixel from
    # the pixels' centres in x and y.
    hull = cv2.convexHull(points)[:, 0].astype(np.float32)
    corners = hull[:, None] + _CORNERS
    hull = cv2.convexHull(corners.reshape(-1, 2))[:, 0]
    return hull, cv2.sumElems(coverage)[0] / 255

  def _decoded(self, start: int, length: int, flag: int) -> np.ndarray:
    data = np.frombuffer(self._data, np.uint8, length, start)
    image = cv2.imdecode(data, flag)
    if image is None:
      raise ValueError(
        f'{self.folder / IMAGES}: the image at byte {start} cannot be decoded; '
        f'{manifests.ADVICE}'
      )
    return image


_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
_CORNERS = np.array(
  [[-0.5, -0.5], [-0.5, 0.5], [0.5, -0.5], [0.5, 0.5]], np.float32
)


def read_manifest(folder: epath.PathLike) -> dict[str, Any]:
  """Returns the manifest of a composed set.

  Raises:
    FileNotFoundError: The folder has no manifest.
    ValueError: The manifest describes another kind of data, has an unsupported
      format version, or is not JSON.
  """
  return manifests.read(folder, KIND, VERSION)


def read_names(folder: epath.PathLike) -> list[str]:
  """Returns the names of the objects and photographs of a composed set.

  A photograph has several names: the name of its file, without the suffix, and
  the names of up to two parent folders, since a folder may be named after a
  video.

  Raises:
    FileNotFoundError: The manifest or the index is missing.
    ValueError: The folder holds another kind of data or has an unsupported
      format version, or a file is damaged.
  """
  folder = epath.Path(folder)
  read_manifest(folder)
  data = (folder / INDEX).read_bytes()
  names = _columns(folder, data, ('object_name', 'photograph_name'))
  parts = {
    part for path in names['photograph_name'] for part in path.split('/')
  }
  return [*names['object_name'].tolist(), *sorted(parts)]


def _columns(
  folder: epath.Path, data: bytes, names: Iterable[str]
) -> dict[str, np.ndarray]:
  """Reads the columns in `names` from `data`, the content of index.npz."""
  try:
    with np.load(io.BytesIO(data)) as columns:
      return {name: columns[name] for name in names}
  except (ValueError, KeyError, zipfile.BadZipFile) as error:
    raise ValueError(
      f'{folder / INDEX}: damaged ({error}); {manifests.ADVICE}'
    ) from None


def covered(
  bgr: UInt8[np.ndarray, 'h w 3'], coverage: UInt8[np.ndarray, 'h w']
) -> UInt8[np.ndarray, 'h w 4']:
  """Returns a BGRA image with premultiplied alpha; the alpha is `coverage`."""
  return cv2.merge(
    [cv2.multiply(bgr, cv2.merge([coverage] * 3), scale=1 / 255), coverage]
  )
