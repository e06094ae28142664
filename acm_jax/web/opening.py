"""Opens uploads and addresses as sources, and refuses what is no video."""

import functools
import re
from pathlib import Path

from acm_jax.datasets import addresses, image_names
from acm_jax.datasets.videos import open_video
from acm_jax.web import sources
from acm_jax.web.sources import Captured, Limits, Recorded, Source

# Protocols of addresses that are opened. Others would read files, for example.
_PROTOCOLS = ('http', 'https', 'rtsp', 'rtsps', 'rtmp', 'rtmps')
# FFmpeg's names of the formats of uploads. A file of another format, such as a
# playlist, may make FFmpeg read other files of this machine.
_FORMATS = (
  'mov,matroska,avi,asf,flv,mpegts,mpeg,mpegvideo,h264,hevc,av1,ivf,ogg,gif,'
  'mxf,m4v,mjpeg,nut,rm,dv,wtv'
)


def suffix(name: str) -> str:
  """Returns the suffix of a file's name if it is plain, else ''."""
  return ''.join(re.findall(r'\.\w{1,8}$', name, re.ASCII)).lower()


def open_upload(path: Path, name: str, limits: Limits) -> Source:
  """Opens an uploaded file.

  Args:
    path: Path of the file.
    name: Name that the user knows the file by.
    limits: Limits on the video.

  Raises:
    ValueError: The file is not a video, or is too long. The message has the
      user's name of the file.
  """
  if not path.stat().st_size:
    raise ValueError(f'{name}: is empty; choose another file')
  if image_names.is_image(path.name):
    sources.check_image(path, name)
  options = _limited() | {'format_whitelist': _FORMATS}
  reopen = functools.partial(open_video, str(path), options)
  try:
    return Recorded(reopen(), reopen, name, limits)
  except ValueError as error:
    raise ValueError(str(error).replace(str(path), name)) from None


def open_address(address: str, folder: Path, limits: Limits) -> Source:
  """Opens the address of a video or a stream.

  Args:
    address: Address, such as 'http://host/a.mp4' or 'rtsp://host/stream'.
    folder: Folder for the frames of a stream.
    limits: Limits on the video.

  Raises:
    ValueError: The text is no such address, no frame can be read, or the video
      is too long.
  """
  shown, protocol = addresses.shown(address), address.partition('://')[0]
  if protocol.lower() not in _PROTOCOLS or not addresses.is_address(address):
    raise ValueError(
      f'{shown}: is not an address of a video; give one that begins with '
      'http://, https://, rtsp:// or rtmp://'
    )
  reopen = functools.partial(open_video, address, _limited())
  video = reopen()
  if video.live:
    return Captured(folder, limits, video)
  return Recorded(video, reopen, shown, limits)


def _limited() -> dict[str, str]:
  """Returns options that make FFmpeg refuse large frames undecoded."""
  return {'max_pixels': str(sources.MOST_PIXELS)}
