"""Writes the library of a composed set."""

import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import UInt8

from acm_jax.datasets import crops, sequences
from acm_jax.datasets.sources import coco, davis, source
from acm_jax.datasets.trees import Tree, open_tree
from acm_jax.host.progress import Progress
from acm_jax.host.staging import staged
from data_pipelines import manifests
from data_pipelines.composed import cutouts, library
from data_pipelines.composed.cutouts import Object

# The photograph of an object that is on none of those kept.
NOWHERE = -1
# Short side of the photographs that are kept, px: targets are small parts.
_LEAST_SIDE = 100
# Last parts of a photograph's path that tell which video it is a frame of, as
# in camel/img/00001.jpg.
_PARTS = 3


@dataclasses.dataclass(frozen=True)
class Sources:
  """Where cutouts and photographs come from.

  Attributes:
    photographs: Folder or archive in the layout of COCO.
    masks: Folder or archive in the layout of DAVIS.
    backgrounds: Flat folders of more photographs.
    exclude: Videos of `masks` that are left out.
  """

  photographs: Path
  masks: Path | None = None
  backgrounds: tuple[Path, ...] = ()
  exclude: tuple[str, ...] = ()

  def __post_init__(self):
    """Raises ValueError if there are no videos to exclude any of."""
    if self.exclude and self.masks is None:
      raise ValueError('exclude: give masks, whose videos are left out')


@dataclasses.dataclass(frozen=True)
class Settings:
  """What is kept and how it is shown.

  Attributes:
    sequences: How many there are.
    frames: Length of each.
    seed: Of the choice of pictures and of the sequences.
    crop_size: Side of the crops, px.
    longest: Bound on the longest side of a photograph, px.
    quality: Of the JPEGs, 0 to 100.
    objects: Most objects that are cut out of photographs.
    scenes: Most photographs that are kept to put objects on.
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
    """Raises ValueError if a number is out of its range."""
    counts = ('sequences', 'frames', 'crop_size', 'longest', 'objects')
    for name in (*counts, 'scenes'):
      if getattr(self, name) < 1:
        raise ValueError(f'{name}={getattr(self, name)}: 1 or more')
    if self.seed < 0 or not 0 <= self.quality <= 100:
      raise ValueError(
        f'seed={self.seed}, quality={self.quality}: 0 or more, and 0 to 100'
      )


def write(out: Path, sources: Sources, settings: Settings) -> dict[str, Any]:
  """Writes a composed set; the folder appears whole at the end.

  Returns:
    The manifest.

  Raises:
    FileNotFoundError: A source is missing.
    ValueError: `out` exists, an image or annotation is damaged, a name of
      `exclude` is no video, or no object or fewer than two photographs are
      left.
  """
  with staged(out) as folder:
    with (
      (folder / library.IMAGES).open('wb') as file,
      Progress(out.name, None, 'images') as shown,
    ):
      pictures = _Pictures(file, settings)
      for done, _ in enumerate(_collect(pictures, sources, settings), 1):
        shown.update(done)
    columns = pictures.columns()
    if not len(columns['object_name']) or len(columns['photograph']) < 2:
      raise ValueError(
        f'{sources.photographs}: {len(columns["object_name"])} objects to cut '
        f'out and {len(columns["photograph"])} photographs to put them '
        'on; an object with an outline and two photographs are needed'
      )
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
        'backgrounds': [place.resolve().name for place in sources.backgrounds],
        'exclude': list(sources.exclude),
      }
    },
  }


def _collect(
  pictures: '_Pictures', sources: Sources, settings: Settings
) -> Iterator[None]:
  """Adds all pictures; yields after each image that was read."""
  if sources.masks is not None:
    yield from _add_videos(pictures, open_tree(sources.masks), sources.exclude)
  tree = open_tree(sources.photographs)
  rng = np.random.default_rng(settings.seed)
  annotated = list(coco.annotated(tree))
  others = [path for place in sources.backgrounds for path in _images(place)]
  every = [path for path, _ in annotated] + others
  scenes = {every[i] for i in rng.permutation(len(every))[: settings.scenes]}
  left = settings.objects
  for i in rng.permutation(len(annotated)):
    path, annotations = annotated[i]
    if not (left or path in scenes):
      continue
    rgb = source.image(tree, path)
    home = NOWHERE
    if path in scenes:
      home = pictures.add_photograph(rgb, Path(path))
    for found in cutouts.of_photograph(tree, path, annotations, rgb):
      if left:
        pictures.add_object(found, home)
        left -= 1
    yield
  for path in others:
    if path in scenes:
      pictures.add_photograph(sequences.read_frame(path), path.resolve())
      yield


def _add_videos(
  pictures: '_Pictures', tree: Tree, exclude: Iterable[str]
) -> Iterator[None]:
  units = {unit.name: unit for unit in davis.units(tree)}
  if stray := sorted(set(exclude) - units.keys()):
    raise ValueError(
      f'exclude: no video is called {", ".join(stray)} in {tree.label}'
    )
  for name, unit in units.items():
    if name not in exclude:
      for found in cutouts.of_video(tree, unit):
        pictures.add_object(found, NOWHERE)
      yield


def _images(folder: Path) -> list[Path]:
  """Returns the images directly in a folder."""
  if not folder.is_dir():
    raise FileNotFoundError(f'{folder}: no such folder of photographs')
  found = sorted(
    path
    for path in folder.iterdir()
    if path.suffix.lower() in sequences.IMAGE_SUFFIXES
  )
  if not found:
    raise ValueError(f'{folder}: no photographs in it')
  return found


class _Pictures:
  """The file of pictures and the columns of its index."""

  def __init__(self, file, settings: Settings):
    self._file, self._settings = file, settings
    self._objects: list[tuple] = []
    self._cutouts: list[tuple[int, int, int]] = []
    self._photographs: list[tuple[int, int, int, int]] = []
    self._names: list[str] = []

  def add_photograph(self, rgb: UInt8[np.ndarray, 'h w 3'], path: Path) -> int:
    """Adds a photograph of a bounded size, unless it is small.

    Returns:
      Its number, or NOWHERE.
    """
    if min(rgb.shape[:2]) < _LEAST_SIDE:
      return NOWHERE
    scale = self._settings.longest / max(rgb.shape[:2])
    if scale < 1:
      size = [max(1, round(side * scale)) for side in rgb.shape[1::-1]]
      rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    place = self._file.tell(), self._jpeg(rgb)
    self._photographs.append((*place, *rgb.shape[:2]))
    self._names.append('/'.join(path.with_suffix('').parts[-_PARTS:]))
    return len(self._photographs) - 1

  def add_object(self, found: Object, home: int) -> None:
    """Adds an object and its cutouts; `home` is the photograph of it."""
    first, count = len(self._cutouts), len(found.cutouts)
    self._objects.append((found.name, found.category, home, first, count))
    for rgb, mask in found.cutouts:
      start, jpeg = self._file.tell(), self._jpeg(rgb)
      flags = [cv2.IMWRITE_PNG_BILEVEL, 1]
      png = self._file.write(cv2.imencode('.png', mask, flags)[1].tobytes())
      self._cutouts.append((start, jpeg, png))

  def _jpeg(self, rgb: UInt8[np.ndarray, 'h w 3']) -> int:
    """Writes an image; returns how many bytes it has."""
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    flags = [cv2.IMWRITE_JPEG_QUALITY, self._settings.quality]
    return self._file.write(cv2.imencode('.jpg', bgr, flags)[1].tobytes())

  def columns(self) -> dict[str, np.ndarray]:
    """The index of what was added."""
    objects = list(zip(*self._objects, strict=True)) or [()] * 5
    values = (*objects, self._cutouts, self._photographs, self._names)
    kinds = (np.str_, np.str_, *[np.int64] * 5, np.str_)
    return {
      column: np.array(value, kind)
      for column, value, kind in zip(
        library.COLUMNS, values, kinds, strict=True
      )
    }
