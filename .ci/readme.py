"""Runs the README's commands as a new user does, with a wheel.

Makes a fresh environment in an empty folder outside of the clone, and runs the
shell commands and the Python code of README.md there in their order. The clip
is rendered by `acm-jax synthetic`. Commands that need published data or
weights, or the clone, are listed at the end with the reason.

Usage: python .ci/readme.py WHEEL [--tiny]. With --tiny, the quick start trains
a tiny network on few sequences.
"""

import argparse
import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from pathlib import Path

README = Path(__file__).parents[1] / 'README.md'
# Part of a command -> why the command is not run.
LEFT_OUT = {
  'pytest': 'tests of the clone; .ci/run runs them',
  '[convert]': 'installs PyTorch, for published weights',
  'nanotrackv3': 'published weights',
  'model.pth': 'published weights',
  'config.yaml': 'an experiment of another code base',
  'OTB100': 'published data set',
  'GOT-10k': 'published data set',
  'COCO': 'published data set',
  'DATA': 'a prepared data set',
  'benchmarks/forms.py': 'a file of the clone, timed for minutes',
}
# Full size -> tiny size.
TINY = {'siamban_acm:quickstart': 'siamban_acm:quickstart,tiny', ' 50 ': ' 2 '}
# Makes what the commands read: a clip, and boxes of an annotation tool.
INPUTS = """
acm-jax synthetic --out made --sequences 1 --seed 7
acm-jax track --video made/synthetic-0000/img \
  --box "$(head -n 1 made/synthetic-0000/groundtruth.txt)" --out of_clip
mv of_clip/tracked.mp4 clip.mp4
acm-jax track --video clip.mp4 --box 120,80,60,40 --out of_clip --overwrite
acm-jax annotations --video clip.mp4 --boxes of_clip/boxes.csv \
  --out annotations.xml
"""
# Defines what the README's Python code uses.
FRAMES = """
import av

with av.open('clip.mp4') as video:
  frames = [each.to_ndarray(format='rgb24') for each in video.decode(video=0)]
image, next_image = frames[:2]
"""
# Seconds.
LONGEST, LONGEST_START = 1800, 120


def main() -> int:
  """Returns 1 if a command fails, and otherwise 0."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('wheel', type=Path)
  parser.add_argument('--tiny', action='store_true')
  arguments = parser.parse_args()
  text = README.read_text(encoding='utf-8')
  with tempfile.TemporaryDirectory() as folder:
    user = User(Path(folder), arguments.wheel.resolve())
    left_out = {}
    for command in commands(text):
      reason = next((LEFT_OUT[w] for w in LEFT_OUT if w in command), None)
      if reason:
        left_out[command] = reason
        continue
      if arguments.tiny:
        for full, tiny in TINY.items():
          command = command.replace(full, tiny)
      if not user.runs(command):
        print(f'failed: {command}', file=sys.stderr)
        return 1
    for code in blocks(text, 'python'):
      if not user.runs_python(FRAMES + code):
        print('failed: the Python code', file=sys.stderr)
        return 1
  for command, reason in left_out.items():
    print(f'not run ({reason}): {command}')
  return 0


def blocks(text: str, language: str) -> Iterator[str]:
  """Yields the code blocks of a language in a Markdown text."""
  for match in re.finditer(rf'^```{language}\n(.*?)^```', text, re.M | re.S):
    yield match[1]


def commands(text: str) -> Iterator[str]:
  """Yields the shell commands, each with its continuation lines."""
  for block in blocks(text, 'bash'):
    for command in re.findall(r'(?:.*(?:\\|&&)\n)*.*\n', block):
      yield command.strip()


class User:
  """New user, with a fresh environment and the wheel."""

  def __init__(self, folder: Path, wheel: Path):
    """Makes the environment, and what the README's commands read.

    Args:
      folder: Empty folder.
      wheel: Wheel of acm-jax.
    """
    self._wheel = wheel
    self._folder = folder / 'work'
    self._folder.mkdir()
    environment = folder / 'environment'
    venv.create(environment, with_pip=True)
    path = f'{environment / "bin"}{os.pathsep}{os.environ["PATH"]}'
    self._environment = {**os.environ, 'PATH': path}
    self._environment.pop('PYTHONPATH', None)
    self._check('pip install .')
    self._check(INPUTS)

  def runs(self, command: str) -> bool:
    """Runs a command of the README; returns whether it succeeds."""
    # Commands of the README write what earlier ones have written.
    written = re.findall(r'--out (\S+)', command)
    if ' --box ' in command and not written:
      written = ['tracked']
    for path in map(self._folder.joinpath, written):
      if path.is_dir():
        shutil.rmtree(path)
      path.unlink(missing_ok=True)
    if 'runs/siamban_acm' in command:
      self._name_a_run()
      # The quick start validates no checkpoint.
      command = command.replace('@best', '')
    if '--format onnx' in command:
      self._check("pip install '.[export]'")
    if command.startswith('acm-jax demo'):
      return self._serves(command)
    return self._run(command).returncode == 0

  def runs_python(self, code: str) -> bool:
    """Runs Python code; returns whether it succeeds."""
    command = ['python', '-c', code]
    return self._run(command).returncode == 0

  def _serves(self, command: str) -> bool:
    """Returns whether a command serves a page until it is interrupted."""
    with socket.socket() as free:
      free.bind(('127.0.0.1', 0))
      port = free.getsockname()[1]
    serving = subprocess.Popen(
      ['bash', '-c', f'exec {command} --port {port}'],
      cwd=self._folder,
      env=self._environment,
    )
    try:
      return self._answers(serving, port)
    finally:
      serving.send_signal(signal.SIGINT)
      serving.wait(timeout=60)

  @staticmethod
  def _answers(serving: subprocess.Popen, port: int) -> bool:
    end = time.monotonic() + LONGEST_START
    while serving.poll() is None and time.monotonic() < end:
      connection = http.client.HTTPConnection('127.0.0.1', port)
      try:
        connection.request('GET', '/')
        return connection.getresponse().status == http.client.OK
      except ConnectionError:
        time.sleep(0.5)
      finally:
        connection.close()
    return False

  def _name_a_run(self) -> None:
    """Gives the run of the quick start the name of a full one."""
    named = self._folder / 'runs' / 'siamban_acm'
    if not named.exists():
      shutil.copytree(self._folder / 'runs' / 'quickstart', named)

  def _check(self, commands: str) -> None:
    if self._run(commands).returncode:
      raise RuntimeError(f'failed: {commands}')

  def _run(self, command: str | list[str]) -> subprocess.CompletedProcess:
    """Runs a shell command, or a program with arguments, in the folder."""
    if isinstance(command, str):
      # The wheel instead of the clone.
      command = re.sub(
        r"pip install (?:-e )?'?\.(\[\w+\])?'?",
        lambda match: f"pip install --quiet '{self._wheel}{match[1] or ''}'",
        command,
      )
      print(f'$ {command}', flush=True)
      command = ['bash', '-euo', 'pipefail', '-c', command]
    return subprocess.run(
      command,
      cwd=self._folder,
      env=self._environment,
      timeout=LONGEST,
      check=False,
    )


if __name__ == '__main__':
  sys.exit(main())
