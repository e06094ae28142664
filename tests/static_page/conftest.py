"""The static page, built with the model small, and a host that serves it."""

import functools
import http.server
import shutil
import subprocess
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from acm_jax.training import trained
from data_pipelines import synthetic

WEB = Path(__file__).parents[2] / 'web'


def build(*arguments) -> subprocess.CompletedProcess:
  """Runs the build of the page."""
  return subprocess.run(
    ['node', WEB / 'build.js', *arguments], capture_output=True, text=True
  )


@pytest.fixture(scope='session')
def _packages() -> None:
  """Skips the test without Node.js or onnxruntime-web."""
  if shutil.which('node') is None:
    pytest.skip('Node.js is not installed')
  if not (WEB / 'node_modules').is_dir():
    pytest.skip('onnxruntime-web is not installed (run npm ci in web)')


@pytest.fixture(scope='session')
def exported(tmp_path_factory) -> Path:
  """Exports the model small as ONNX; returns the folder."""
  pytest.importorskip('jax2onnx', reason='needs the extra `export`')
  from acm_jax import exporting

  folder = tmp_path_factory.mktemp('exported') / 'small'
  folder.mkdir()
  exporting.write(folder, trained.load('small'), 'onnx')
  return folder


@pytest.fixture(scope='session')
def built(_packages, exported, tmp_path_factory) -> Path:
  """Builds the page; returns its folder."""
  folder = tmp_path_factory.mktemp('page') / 'dist'
  done = build(exported, folder)
  assert done.returncode == 0, done.stderr
  return folder


@pytest.fixture(scope='session')
def sequence(request, tmp_path_factory):
  """Returns RGB frames and the first box, of DAVIS or else synthetic."""
  try:
    root = request.getfixturevalue('real_data') / 'sequences' / 'DAVIS'
    paths = (root / 'JPEGImages' / '480p' / 'car-shadow').glob('*.jpg')
    boxes = root / 'boxes' / 'car-shadow.txt'
  except pytest.skip.Exception:
    root = tmp_path_factory.mktemp('static_page') / 'sequences'
    synthetic.write_folder(root, sequences=1, frames=40, seed=5)
    (folder,) = (path for path in root.iterdir() if path.is_dir())
    paths, boxes = (folder / 'img').iterdir(), folder / 'groundtruth.txt'
  frames = [cv2.imread(path)[..., ::-1] for path in sorted(paths)]
  box = np.loadtxt(boxes, delimiter=',', max_rows=1)
  return [frame[: -(len(frame) % 2) or None] for frame in frames], box


class Host:
  """Serves a folder as a static host does.

  Attributes:
    address: Address of the folder.
    requests: Requests so far, as method and path.
  """

  def __init__(self, folder: Path):
    self.requests = requests = []

    class Handler(http.server.SimpleHTTPRequestHandler):
      def log_message(self, format, *values):
        del format, values
        requests.append((self.command, self.path))

    handler = functools.partial(Handler, directory=folder)
    self._server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)
    self.port = self._server.server_port
    self.address = f'http://127.0.0.1:{self.port}'
    self._thread = threading.Thread(target=self._server.serve_forever)
    self._thread.start()

  def stop(self) -> None:
    """Stops serving, as a host that cannot be reached."""
    self._server.shutdown()
    self._server.server_close()
    self._thread.join()


@pytest.fixture
def serve():
  """Returns a function that serves a folder until the end of the test."""
  hosts = []

  def serve(folder):
    hosts.append(Host(folder))
    return hosts[-1]

  yield serve
  for host in hosts:
    if host._thread.is_alive():
      host.stop()
