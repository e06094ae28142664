"""Frames of a video file, images, a network stream or a camera."""

import dataclasses
import glob
import math
import re
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from absl import logging
from jaxtyping import UInt8

from acm_jax.datasets import addresses, image_names
from acm_jax.datasets.image_files import Reader
from acm_jax.datasets.live import Newest, persistent
from acm_jax.datasets.video_files import (
  DEFAULT_FPS,
  Frame,
  Recording,
  Stream,
  frame_rate,
  open_address,
  to_rgb,
)
from acm_jax.host import quiet

# Names that benchmarks give to the folder of a video's images.
_IMAGE_FOLDERS = ('img', 'color')
_TEXT = ('.csv', '.json', '.txt')
# Place of the number in the names of images: `%04d` or `%d`.
_PLACE = re.compile(r'%(?:0(\d+))?d')


@dataclasses.dataclass(frozen=True)
class Video:
  """An opened video.

  Attributes:
    frames: Frames, read one at a time. If a live source is faster than the
      reader, only the newest frame is kept.
    fps: Frames per second, `DEFAULT_FPS` if the source does not state it.
    length: Number of frames, with those that cannot be decoded, or None if
      unknown before reading.
    live: Whether frames arrive in real time, without a known end.
    name: Name of the file without its suffix, or of the folder.
    files: Files that the frames are read from.
  """

  frames: Iterator[Frame]
  fps: float
  length: int | None
  live: bool = False
  name: str = ''
  files: Sequence[Path] = ()


def open_video(source: str, options: Mapping[str, str] | None = None) -> Video:
  """Opens a video.

  Args:
    source: Path of a video file, of an image or of a folder of images. If
      nothing has this path: address of a file (`file:///PATH`), a video or a
      stream (`rtsp://HOST/PATH`), number of a camera (`0`), names of images
      with a place for the number (`img/%04d.jpg`), or a pattern (`img/*.png`)
      that matches the images of a folder or one other path. Also the device of
      a camera (`/dev/video0`).
    options: Options of FFmpeg for a video file or an address; see
      `video_files.open_address`.

  Raises:
    FileNotFoundError: There is no such path, or no name matches the pattern.
    ValueError: `source` is empty, the folder has no images, their order is
      unknown (`image_names.in_order`), a pattern matches several videos, or no
      frame can be read.
  """
  if not source.strip():
    raise ValueError('`video` is empty; give a file, a folder or an address')
  path = Path(source)
  if path.is_dir():
    return _of_folder(path, image_names.of_folder(path))
  if path.is_file():
    return _of_file(path, options)
  if device := re.fullmatch(r'(?:/dev/video)?(\d+)', str(_target(path))):
    return _of_camera(int(device[1]), source)
  if (local := addresses.path(source)) is not None:
    return open_video(local, options)
  if addresses.is_address(source):
    shown = addresses.shown(source)
    name = Path(urllib.parse.urlsplit(shown).path).stem
    return _decoded(open_address(source, shown, options), shown, name)
  if _PLACE.search(path.name):
    return _of_folder(path.parent, _with_numbers(path))
  if glob.has_magic(source) and (found := sorted(glob.glob(source))):
    return _of_matches(source, list(map(Path, found)), options)
  raise FileNotFoundError(
    f'{source}: no such video file or folder; check the path, or give a '
    'pattern of images, an address, or the number of a camera'
  )


def _target(path: Path) -> Path:
  """Returns the device that a link in /dev refers to, or the path itself."""
  return path.resolve() if path.is_char_device() else path


def _of_file(path: Path, options: Mapping[str, str] | None) -> Video:
  if image_names.is_image(path.name):
    return _of_images([path], path.stem)
  if path.suffix.lower() in _TEXT:
    # FFmpeg would accept the file and render its text as a video.
    raise ValueError(
      f'{path}: is a text file, not a video; give a video file or a folder of '
      'images'
    )
  # In a relative path, FFmpeg would take the part before a colon as a protocol.
  shown = str(path)
  opened = open_address(str(path.absolute()), shown, options)
  video = _decoded(opened, shown, path.stem)
  return dataclasses.replace(video, files=[path])


def _decoded(opened: Recording | Stream, shown: str, name: str) -> Video:
  if isinstance(opened, Recording):
    return Video(opened.frames(), opened.fps, opened.length, name=name)
  frames = (
    Frame(to_rgb(arrival.item), *arrival[1:])
    for arrival in Newest(opened.pictures, shown)
  )
  return Video(frames, opened.fps, None, live=True, name=name)


def _of_folder(folder: Path, paths: Sequence[Path]) -> Video:
  folder = folder.resolve()
  if folder.name in _IMAGE_FOLDERS:
    folder = folder.parent
  return _of_images(paths, folder.name)


def _of_images(paths: Sequence[Path], name: str) -> Video:
  return Video(
    _read_images(paths), DEFAULT_FPS, len(paths), name=name, files=paths
  )


def _read_images(paths: Sequence[Path]) -> Iterator[Frame]:
  """Yields the images that can be decoded; warns of the others at the end.

  Raises:
    ValueError: The first image cannot be decoded.
  """
  read, damaged = Reader(paths[0]), []
  try:
    for number, path in enumerate(paths):
      try:
        image = read(path)
      except ValueError as error:
        # Targets are given by their boxes in the first image.
        if number == 0:
          raise
        damaged.append(error)
      else:
        # Images state no times.
        yield Frame(image, number, math.nan)
  finally:
    if damaged:
      logging.warning(
        '%d of %d images cannot be read and are left out; the first: %s',
        len(damaged),
        len(paths),
        damaged[0],
      )


def _with_numbers(pattern: Path) -> list[Path]:
  """Returns the images whose names match a pattern such as `%04d.jpg`."""
  place = _PLACE.search(pattern.name)
  before, after = pattern.name[: place.start()], pattern.name[place.end() :]
  name = re.compile(
    f'{re.escape(before)}\\d{{{int(place[1] or 1)},}}{re.escape(after)}'
  )
  folder = pattern.parent
  found = [path.name for path in folder.glob('*') if name.fullmatch(path.name)]
  if not any(map(image_names.is_image, found)):
    raise FileNotFoundError(
      f'{pattern}: no image has a name of this form; check the path'
    )
  return [folder / each for each in image_names.in_order(found, str(folder))]


def _of_matches(
  source: str, paths: list[Path], options: Mapping[str, str] | None
) -> Video:
  if len(paths) == 1:
    return open_video(str(paths[0]), options)
  found = [path for path in paths if image_names.is_image(path.name)]
  folders = {path.parent for path in found}
  # A single image may be the preview of a video that matches, too.
  if len(folders) != 1 or len(found) == 1:
    raise ValueError(
      f'{source}: matches {len(paths)} paths, such as {paths[0]} and '
      f'{paths[1]}; give one video, or the images of one folder'
    )
  (folder,) = folders
  names = image_names.in_order((path.name for path in found), str(folder))
  return _of_folder(folder, [folder / name for name in names])


def _of_camera(number: int, source: str) -> Video:
  name = f'camera {source}'
  with quiet.opencv():
    capture = cv2.VideoCapture(number)
    works = capture.read()[0]
  if not works:
    capture.release()
    raise ValueError(
      f'{name}: no frame could be read; check that it is connected '
      'and that no other program uses it'
    )
  captured = _captured(capture.read, capture.release, name)
  frames = (
    Frame(cv2.cvtColor(arrival.item, cv2.COLOR_BGR2RGB), *arrival[1:])
    for arrival in Newest(captured, name)
  )
  fps = frame_rate(capture.get(cv2.CAP_PROP_FPS))
  return Video(frames, fps, None, live=True, name=name)


def _captured(
  read: Callable[[], tuple[bool, UInt8[np.ndarray, 'h w 3'] | None]],
  release: Callable[[], None],
  name: str,
) -> Iterator[UInt8[np.ndarray, 'h w 3']]:
  """Yields the BGR frames of a camera; single failures do not matter.

  Args:
    read: Function that waits for the next frame, as `cv2.VideoCapture.read`.
    release: Function that releases the camera.
    name: Name of the camera, for messages.
  """
  try:
    yield from persistent(lambda: read()[1], name)
  finally:
    release()
