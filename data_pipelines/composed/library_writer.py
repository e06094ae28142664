"""Writes composed sets: folders of cutouts and photographs, with settings."""

import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import UInt8

from acm_jax.datasets import crops, image_files, image_names
from acm_jax.datasets.sources import coco, davis, source
from acm_jax.datasets.trees import open_tree
from acm_jax.host.names import unknown
from acm_jax.host.progress import Progress
from acm_jax.host.staging import naming, replacing, staged
from data_pipelines import manifests
from data_pipelines.composed import cutouts, library
from data_pipelines.composed.cutouts import Object

# Used as the index of a photograph that is not in the library.
NOWHERE = -1
# Minimum side of the photographs in the library, px.
_LEAST_SIDE = 100
# Number of parts at the end of a photograph's path that are kept as its name.
# One of them may name a video, as in camel/img/00001.jpg.
_PARTS = 3


@dataclasses.dataclass(frozen=True)
class Sources:
  """Sources of cutouts and photographs.

  Attributes:
    photographs: Folder or archive of images and polygons in the layout of COCO.
    masks: Folder or archive of videos and masks in the layout of DAVIS.
    backgrounds: Folders of further photographs for backgrounds; subfolders are
      not searched.
    exclude: Names of videos, and file names of photographs, to leave out.
    only: Names of the only videos, and file names of the only photographs, to
      use (default: all).
  """

  photographs: Path
  masks: Path | None = None
  backgrounds: tuple[Path, ...] = ()
  exclude: tuple[str, ...] = ()
  only: tuple[str, ...] = ()

  def chosen(self, known: Iterable[str]) -> set[str]:
    """Returns the names of the videos and photographs to use.

    Args:
      known: Names of all videos and photographs.

    Raises:
      ValueError: `exclude` or `only` has an unknown name.
    """
    known = set(known)
    for flag, names in (('exclude', self.exclude), ('only', self.only)):
      if wrong := unknown(names, known):
        raise ValueError(
          f'`{flag}`: no video or photograph is called {wrong}; correct the '
          'names, and give photographs with their extensions'
        )
    return (set(self.only) or known) - set(self.exclude)


@dataclasses.dataclass(frozen=True)
class Settings:
  """Settings of a composed set.

  Attributes:
    sequences: Number of sequences that training renders.
    frames: Number of frames in each sequence.
    seed: Random seed for choosing the pictures and sampling the sequences.
    crop_size: Side of the rendered crops, px.
    longest: Maximum side of a photograph, px; larger photographs are shrunk.
    quality: Quality of the JPEGs, 0 to 100.
    objects: Maximum number of objects cut out of photographs; objects cut out
      of videos are not counted.
    scenes: Maximum number of photographs used as backgrounds.
  """

  sequences: int = 4000
  frames: int = 24
  seed: int = 0
  crop_size: int = crops.CROP_SIZE
  longest: int = 400
  quality: int = 85
  objects: int = 20_000
  scenes: int = 3000

  def __post_init__(self):
    """Raises ValueError if a number is out of range."""
    counts = ('sequences', 'frames', 'crop_size', 'longest', 'objects')
    for name in (*counts, 'scenes'):
      if getattr(self, name) < 1:
        raise ValueError(f'`{name}`={getattr(self, name)}: must be at least 1')
    if self.seed < 0:
      raise ValueError(f'`seed`={self.seed}: must be at least 0')
    if not 0 <= self.quality <= 100:
      raise ValueError(f'`quality`={self.quality}: must be between 0 and 100')


def write(out: Path, sources: Sources, settings: Settings) -> dict[str, Any]:
  """Writes a composed set; the folder appears only when it is complete.

  Args:
    out: Output folder; must not exist.
    sources: Sources of cutouts and photographs.
    settings: Settings of the set.

  Returns:
    The manifest.

  Raises:
    FileNotFoundError: A source is missing.
    FullDiskError: The disk is full.
    ValueError: `out` exists, an image or annotation is damaged, `exclude` or
      `only` has an unknown name, a folder in `backgrounds` has no photographs,
      or the set would have no object or fewer than two photographs.
  """
  with staged(out) as folder:
    with (
      replacing(folder / library.IMAGES) as path,
      path.open('wb') as file,
      Progress(out.name, None, 'images') as shown,
    ):
      pictures = _Pictures(file, settings)
      for done, _ in enumerate(_collect(pictures, sources, settings), 1):
        shown.update(done)
    columns = pictures.columns()
    if not len(columns['object_name']) or len(columns['photograph']) < 2:
      raise ValueError(
        f'{sources.photographs}: the set would have '
        f'{len(columns["object_name"])} objects and '
        f'{len(columns["photograph"])} background photographs, but at least '
        'one object and two photographs are needed; add photographs with '
        'outlined objects, or increase `scenes`'
      )
    with naming(folder / library.INDEX):
      np.savez_compressed(folder / library.INDEX, **columns)
    manifest = _manifest(folder, sources, settings, columns)
    manifests.write(folder, manifest)
  return manifest


def _manifest(
  folder: Path,
  sources: Sources,
  settings: Settings,
  columns: dict[str, np.ndarray],
) -> dict[str, Any]:
  files = (library.IMAGES, library.INDEX)
  return {
    'kind': library.KIND,
    'version': library.VERSION,
    'template_size': crops.TEMPLATE_SIZE,
    'context_amount': crops.CONTEXT_AMOUNT,
    **dataclasses.asdict(settings),
    'kept': {
      'objects': len(columns['object_name']),
      'cutouts': len(columns['cutout']),
      'photographs': len(columns['photograph']),
    },
    'files': {name: manifests.fingerprint(folder / name) for name in files},
    'settings': {
      'composed': {
        'photographs': sources.photographs.resolve().name,
        'masks': sources.masks and sources.masks.resolve().name,
        'backgrounds': [path.resolve().name for path in sources.backgrounds],
        'exclude': list(sources.exclude),
        'only': list(sources.only),
      }
    },
  }


def _collect(
  pictures: '_Pictures', sources: Sources, settings: Settings
) -> Iterator[None]:
  """Adds photographs and objects from the sources to `pictures`.

  Yields after each image or video, to show progress.
  """
  videos = {}
  if sources.masks is not None:
    masks = open_tree(sources.masks)
    videos = {unit.name: unit for unit in davis.units(masks)}
  tree = open_tree(sources.photographs)
  annotated = list(coco.annotated(tree))
  others = [
    path
    for folder in sources.backgrounds
    for path in image_names.photographs(folder, '*')
  ]
  every = [Path(path).name for path, _ in annotated]
  chosen = sources.chosen([*videos, *every, *(path.name for path in others)])
  for name, unit in videos.items():
    if name in chosen:
      for item in cutouts.of_video(masks, unit):
        pictures.add_object(item, NOWHERE)
      yield
  annotated = [each for each in annotated if Path(each[0]).name in chosen]
  others = [path for path in others if path.name in chosen]
  rng = np.random.default_rng(settings.seed)
  every = [path for path, _ in annotated] + others
  scenes = {every[i] for i in rng.permutation(len(every))[: settings.scenes]}
  left = settings.objects
  for i in rng.permutation(len(annotated)):
    path, annotations = annotated[i]
    if not (left or path in scenes):
      continue
    rgb = image_files.read(source.File(tree, path))
    home = NOWHERE
    if path in scenes:
      home = pictures.add_photograph(rgb, Path(path))
    for item in cutouts.of_photograph(tree, path, annotations, rgb):
      if left:
        pictures.add_object(item, home)
        left -= 1
    yield
  for path in others:
    if path in scenes:
      pictures.add_photograph(image_files.read(path), path.resolve())
      yield


class _Pictures:
  """Writes images.bin, and collects the columns of index.npz."""

  def __init__(self, file, settings: Settings):
    self._file, self._settings = file, settings
    self._objects: list[tuple] = []
    self._cutouts: list[tuple[int, int, int]] = []
    self._photographs: list[tuple[int, int, int, int]] = []
    self._names: list[str] = []

  def add_photograph(self, rgb: UInt8[np.ndarray, 'h w 3'], path: Path) -> int:
    """Adds a photograph unless it is too small; shrinks a large photograph.

    Returns:
      Index of the photograph, or NOWHERE if it was not added.
    """
    if min(rgb.shape[:2]) < _LEAST_SIDE:
      return NOWHERE
    scale = self._settings.longest / max(rgb.shape[:2])
    if scale < 1:
      size = [max(1, round(side * scale)) for side in rgb.shape[1::-1]]
      rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    height, width = rgb.shape[:2]
    start, length = self._file.tell(), self._jpeg(rgb)
    self._photographs.append((start, length, height, width))
    self._names.append('/'.join(path.with_suffix('').parts[-_PARTS:]))
    return len(self._photographs) - 1

  def add_object(self, item: Object, home: int) -> None:
    """Adds an object and its cutouts.

    Args:
      item: Object to add.
      home: Index of the photograph that shows the object, or NOWHERE.
    """
    first, count = len(self._cutouts), len(item.cutouts)
    self._objects.append((item.name, item.category, home, first, count))
    for rgb, mask in item.cutouts:
      start, jpeg = self._file.tell(), self._jpeg(rgb)
      flags = [cv2.IMWRITE_PNG_BILEVEL, 1]
      png = self._file.write(cv2.imencode('.png', mask, flags)[1].tobytes())
      self._cutouts.append((start, jpeg, png))

  def _jpeg(self, rgb: UInt8[np.ndarray, 'h w 3']) -> int:
    """Writes an image as JPEG; returns the number of bytes."""
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    flags = [cv2.IMWRITE_JPEG_QUALITY, self._settings.quality]
    return self._file.write(cv2.imencode('.jpg', bgr, flags)[1].tobytes())

  def columns(self) -> dict[str, np.ndarray]:
    """Returns the columns of the index for the pictures that were added."""
    objects = list(zip(*self._objects, strict=True)) or [()] * 5
    name, category, home, first, count = objects
    return {
      'object_name': np.array(name, np.str_),
      'object_category': np.array(category, np.str_),
      'object_home': np.array(home, np.int64),
      'object_first': np.array(first, np.int64),
      'object_count': np.array(count, np.int64),
      'cutout': np.array(self._cutouts, np.int64),
      'photograph': np.array(self._photographs, np.int64),
      'photograph_name': np.array(self._names, np.str_),
    }
