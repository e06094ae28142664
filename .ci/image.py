"""Runs the steps of the Dockerfile without Docker, and tracks with the result.

Each stage is a fresh virtual environment, in place of the Python of the base
image, and an empty folder, in place of its root. What stays untested: the base
image, its users, and volumes.

Usage: python .ci/image.py
"""

import json
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path

CLONE = Path(__file__).parents[1]
# Folders of the image that the Dockerfile names.
IN_IMAGE = re.compile(r'(?<![\w.])/(?=acm-jax\b|work\b)')
# Arguments of the image's commands, which use the model in the package.
COMMANDS = (
  '--version',
  'synthetic --out made --sequences 1 --seed 7',
  'track --video made/synthetic-0000/img --box 120,80,60,40',
)


class Stage:
  """Stage of a build: a folder in place of the root, and an environment."""

  def __init__(self, root: Path):
    self.root = root
    self._python = root / 'python'
    venv.create(self._python, with_pip=True)
    self._folder = root
    self._variables = {'PATH': f'{self._python / "bin"}:/usr/bin:/bin'}

  def place(self, text: str) -> str:
    """Returns a text with the image's folders moved into the stage's."""
    return IN_IMAGE.sub(f'{self.root}/', text)

  def work_in(self, folder: str) -> None:
    """WORKDIR: creates a folder, and runs later steps in it."""
    self._folder = Path(self.place(folder))
    self._folder.mkdir(parents=True, exist_ok=True)

  def copy(self, source: Path, target: str) -> None:
    """COPY: copies the contents of a folder into another."""
    target = self._folder / self.place(target)
    shutil.copytree(source, target, dirs_exist_ok=True)

  def set(self, assignment: str) -> None:
    """ENV and ARG: sets a variable for later steps."""
    name, _, value = self.place(assignment).partition('=')
    self._variables[name] = value

  def run(self, command: str) -> None:
    """RUN: runs a shell command.

    Raises:
      CalledProcessError: The command fails.
    """
    command = self.place(command)
    print(f'$ {command}', flush=True)
    subprocess.run(
      ['/bin/sh', '-c', command],
      cwd=self._folder,
      env=self._variables,
      check=True,
    )


def instructions(text: str) -> Iterator[tuple[str, str]]:
  """Yields the instructions of a Dockerfile, and what follows them."""
  text = re.sub(r'^#.*\n', '', text, flags=re.MULTILINE)
  for line in text.replace('\\\n', ' ').splitlines():
    if line.strip():
      name, _, rest = line.strip().partition(' ')
      yield name, rest.strip()


def context(folder: Path) -> Path:
  """Copies what .dockerignore lets into the build, and returns the copy.

  Raises:
    ValueError: .dockerignore does not leave out everything but some names.
  """
  lines = (CLONE / '.dockerignore').read_text().split('\n')
  first, *others = [line for line in lines if line and line[0] != '#']
  names = [line[1:] for line in others if line[0] == '!']
  rest = set(others) - {f'!{name}' for name in names}
  if first != '*' or rest != {'**/__pycache__'}:
    raise ValueError('.dockerignore: must be *, !NAME..., **/__pycache__')
  for name in names:
    source, target = CLONE / name, folder / name
    if source.is_dir():
      ignore = shutil.ignore_patterns('__pycache__')
      shutil.copytree(source, target, ignore=ignore)
    else:
      target.parent.mkdir(parents=True, exist_ok=True)
      shutil.copy(source, target)
  return folder


def build(folder: Path) -> tuple[Stage, list[str]]:
  """Runs the steps of the Dockerfile.

  Args:
    folder: Empty folder.

  Returns:
    The last stage, and its entry point.

  Raises:
    ValueError: The Dockerfile has an instruction that is not known here.
  """
  stages, entry = {}, []
  for name, rest in instructions((CLONE / 'Dockerfile').read_text()):
    words = shlex.split(rest)
    match name:
      case 'FROM':
        stage = Stage(folder / f'stage{len(stages)}')
        stages[words[-1]] = stage
      case 'COPY':
        if words[0].startswith('--from='):
          before = stages[words.pop(0).partition('=')[2]]
          origin = Path(before.place(words[0]))
        else:
          origin = context(folder / 'context')
        stage.copy(origin, words[1])
      case 'ARG' | 'ENV':
        stage.set(rest)
      case 'RUN':
        stage.run(rest)
      case 'WORKDIR':
        stage.work_in(rest)
      case 'ENTRYPOINT':
        entry = json.loads(rest)
      case 'VOLUME' | 'USER' | 'CMD':
        pass
      case _:
        raise ValueError(f'Dockerfile: add {name} to {Path(__file__).name}')
  return stage, entry


def main() -> int:
  """Builds the image's contents, and runs its commands."""
  with tempfile.TemporaryDirectory() as folder:
    stage, entry = build(Path(folder))
    for arguments in COMMANDS:
      stage.run(' '.join([*entry, arguments]))
    work, home = Path(stage.place('/work')), Path(stage.place('/acm-jax/home'))
    if not (work / 'tracked' / 'tracked.mp4').stat().st_size:
      raise RuntimeError('tracked.mp4 is empty')
    if not any((home / '.cache').iterdir()):
      raise RuntimeError('compiled programs were not kept in the volume')
  return 0


if __name__ == '__main__':
  sys.exit(main())
