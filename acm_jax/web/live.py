"""Page that shows the frames of a running command, with boxes drawn in."""

import contextlib
import http.server
import socket
import threading
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from jaxtyping import UInt8

from acm_jax.datasets.video_files import Frame
from acm_jax.running import pictures
from acm_jax.tracking.result import Result
from acm_jax.web import guards, jpeg

_PAGE = b"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>acm-jax track</title>
<style>
  body { margin: 0; background: #111 }
  img { display: block; width: 100vw; height: 100vh; object-fit: contain }
</style>
<img src="/frames" alt="Frames of the video, with the boxes of the targets">
</html>
"""
_BOUNDARY = b'--frame\r\n'
_QUALITY = 85
# Longest wait for a browser that has stopped reading, s.
_PATIENCE = 10.0


def shown(
  tracked: Iterable[tuple[Frame, Sequence[Result | None]]],
  listening: socket.socket,
) -> Iterator[tuple[Frame, Sequence[Result | None]]]:
  """Shows tracked frames on a page while they are passed on.

  The page has the newest frame; a browser that is slow leaves out frames.
  Nothing is encoded while no browser shows the page.

  Args:
    tracked: Frames, and the results of each target; None for a target without
      a result.
    listening: Socket that the page is served on; see `ports.listen`. It is
      closed at the end.

  Yields:
    The items of `tracked`.
  """
  with _serving(listening) as newest:
    for frame, results in tracked:
      if newest.watched:
        newest.show(pictures.draw(frame.image, results))
      yield frame, results


class _Newest:
  """Newest picture, for any number of browsers in threads of their own.

  Attributes:
    watched: Number of browsers that show the pictures.
  """

  def __init__(self):
    self._changed = threading.Condition()
    self._number, self._jpeg, self._ended = 0, b'', False
    self.watched = 0

  def show(self, picture: UInt8[np.ndarray, 'h w 3']) -> None:
    data = jpeg.encode(picture, _QUALITY)
    with self._changed:
      self._number, self._jpeg = self._number + 1, data
      self._changed.notify_all()

  def end(self) -> None:
    with self._changed:
      self._ended = True
      self._changed.notify_all()

  @contextlib.contextmanager
  def watch(self) -> Iterator[Iterator[bytes]]:
    """Yields JPEG files, each newer than the one before, until the end."""
    with self._changed:
      self.watched += 1
    try:
      yield self._jpegs()
    finally:
      with self._changed:
        self.watched -= 1

  def _jpegs(self) -> Iterator[bytes]:
    seen = 0
    while (newer := self._after(seen)) is not None:
      seen, data = newer
      yield data

  def _after(self, seen: int) -> tuple[int, bytes] | None:
    """Waits for a picture after the one of a number; None at the end."""
    with self._changed:
      self._changed.wait_for(lambda: self._number > seen or self._ended)
      return (self._number, self._jpeg) if self._number > seen else None


@contextlib.contextmanager
def _serving(listening: socket.socket) -> Iterator[_Newest]:
  """Serves the page in the background during the block."""
  newest = _Newest()

  class Handler(http.server.BaseHTTPRequestHandler):
    timeout = _PATIENCE

    def do_GET(self):
      headers = self.headers
      reason = guards.refusal(headers.get('Host', ''), headers.get('Origin'))
      # A browser may leave at any time.
      with contextlib.suppress(OSError):
        if reason:
          self.send_error(http.HTTPStatus.FORBIDDEN, explain=reason)
        elif self.path == '/':
          self._answer('text/html; charset=utf-8')
          self.wfile.write(_PAGE)
        elif self.path == '/frames':
          with newest.watch() as jpegs:
            self._stream(jpegs)
        else:
          self.send_error(http.HTTPStatus.NOT_FOUND)

    def _answer(self, kind):
      self.send_response(http.HTTPStatus.OK)
      self.send_header('Content-Type', kind)
      self.send_header('Cache-Control', 'no-store')
      for header in guards.HEADERS.items():
        self.send_header(*header)
      self.end_headers()

    def _stream(self, jpegs):
      self._answer('multipart/x-mixed-replace; boundary=frame')
      self.wfile.write(_BOUNDARY)
      for data in jpegs:
        # The boundary follows at once, because a browser waits for it before it
        # shows the picture.
        head = b'Content-Type: image/jpeg\r\n\r\n'
        self.wfile.write(head + data + b'\r\n' + _BOUNDARY)

    def log_message(self, *_):
      pass

  server = http.server.ThreadingHTTPServer(
    listening.getsockname()[:2], Handler, bind_and_activate=False
  )
  server.socket.close()
  server.socket = listening
  thread = threading.Thread(target=server.serve_forever)
  thread.start()
  try:
    yield newest
  finally:
    newest.end()
    server.shutdown()
    thread.join()
    server.server_close()
