"""Serves a page in the browser, on which videos are tracked.

Open a video file, the camera or an address; draw boxes in any frame, and watch
the targets being tracked. Pause to correct a box, and go on from there. The
boxes can be downloaded as a table like boxes.csv of `acm-jax track`, and as a
video.

The page is served to this machine alone, unless --host is set. Everything is
computed here, and the page loads nothing from elsewhere. Videos are kept in
temporary files until they are closed. Ctrl-C ends the command. Needs
`pip install 'acm-jax[demo]'`.

Examples:
  acm-jax demo --port 8000
  acm-jax demo --checkpoint runs/siamban_acm --max_megabytes 2000
"""

import importlib.util
import math
import socket
import sys
import tempfile
from pathlib import Path

import numpy as np
from absl import flags

from acm_jax import model_flags
from acm_jax.host import command
from acm_jax.web import ports
from acm_jax.web.sources import Limits


def define(values: flags.FlagValues) -> None:
  """Defines the command's flags on `values`."""
  model_flags.define(values)
  text = (
    'Name or address of this machine that the page is served on; 0.0.0.0 '
    'serves it to every machine that reaches this one.'
  )
  flags.DEFINE_string('host', '127.0.0.1', text, flag_values=values)
  text = 'Port of the page; 0 for any free one.'
  flags.DEFINE_integer('port', 8000, text, flag_values=values)
  limits = Limits()
  text = 'Largest size of a video, MB.'
  flags.DEFINE_integer(
    'max_megabytes', limits.megabytes, text, flag_values=values
  )
  text = 'Greatest length of a video, s.'
  flags.DEFINE_float('max_seconds', limits.seconds, text, flag_values=values)


def main(values: flags.FlagValues) -> None:
  """Serves the page until the command is interrupted."""
  limits = Limits(values.max_megabytes, values.max_seconds)
  for name, limit in zip(('max_megabytes', 'max_seconds'), limits, strict=True):
    if not 0 < limit < math.inf:
      raise ValueError(f'`{name}`={limit}: give a finite number above 0')
  for package in ('starlette', 'uvicorn'):
    if importlib.util.find_spec(package) is None:
      raise RuntimeError(
        f"{package} is not installed: run pip install 'acm-jax[demo]'"
      )
  # Before the tracker is loaded, which takes seconds.
  listening = ports.listen(values.host, values.port)
  with listening, tempfile.TemporaryDirectory(prefix='acm_jax_demo_') as root:
    _serve(values, limits, listening, Path(root))


def _serve(
  values: flags.FlagValues,
  limits: Limits,
  listening: socket.socket,
  root: Path,
) -> None:
  model = model_flags.load(values)
  # JAX is imported only now, so that the command says at once what it does.
  from acm_jax.tracking.programs import Programs
  from acm_jax.tracking.video_tracker import VideoTracker
  from acm_jax.web import app, server

  programs = Programs()
  print('preparing; the programs of the tracker are compiled', flush=True)
  blank = np.zeros((480, 640, 3), np.uint8)
  VideoTracker(model, programs).compile(blank, [(200, 200, 100, 100)])
  setting = app.Setting(
    Path(values.checkpoint).name,
    lambda: VideoTracker(model, programs),
    root,
    limits,
    float(model.hparams.lost_score),
    float(model.hparams.found_score),
    ports.is_local(listening),
  )
  address = ports.address(listening)
  print(f'open {address} in a browser; Ctrl-C ends', flush=True)
  server.Server(app.make(setting)).run(sockets=[listening])


if __name__ == '__main__':
  sys.exit(command.run(define, main, __doc__))
