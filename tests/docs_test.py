"""The code in the README and on the pages of the documentation runs.

Every page has a folder of its own with a short video and two sequences. The
blocks of Python and bash on the page run there, one after the other. A block of
Python that begins with the name of a file, such as `# attention.py`, is written
to that file. A comment marks a block that takes long or needs what is not here:

    <!-- skip: next "needs a GPU" -->

Such a block does not run, but the flags of its commands are parsed.
"""

import importlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import types
from pathlib import Path
from unittest import SkipTest

import pytest
from sybil import Sybil
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.markdown import CodeBlockParser, SkipParser

from acm_jax import __main__ as console
from acm_jax import trackers
from acm_jax.datasets import layouts
from acm_jax.evaluation import benchmarks
from acm_jax.host import command
from acm_jax.modules import fusion
from acm_jax.running.video_writer import VideoWriter
from data_pipelines import synthetic
from tests.xla_flags import FAST_COMPILE

pytestmark = pytest.mark.docs

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / 'README.md', *sorted((ROOT / 'docs').rglob('*.md'))]
# The code is that of this clone, and packages are not installed again.
PRELUDE = """set -euo pipefail
acm-jax() { python -m acm_jax "$@"; }
pip() { :; }
"""
# Prints the programs of a script instead of running them: arguments end in a
# null character, programs in a newline.
LISTING = r"""exec 3>&1 > /dev/null
PATH=/none
cd() { :; }
command_not_found_handle() { { printf '%s\0' "$@"; echo; } >&3; }
"""
# Raise it only for a block that cannot run in seconds on two cores.
MARKED = 72


def run_python(example):
  """Runs a block, or writes a block that is a file."""
  if name := re.match(r'# ([\w/]+\.py)\n', example.parsed):
    file = Path(name[1])
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(example.parsed, encoding='utf-8')
  else:
    PythonEvaluator()(example)


def run_bash(example):
  """Runs a block in the folder of the page."""
  variables = {
    'PATH': f'{Path(sys.executable).parent}:{os.environ["PATH"]}',
    'PYTHONPATH': str(ROOT),
    # Users do not have the eight devices of the tests.
    'XLA_FLAGS': FAST_COMPILE,
  }
  script = PRELUDE + example.parsed
  subprocess.run(
    ['bash', '-c', script], check=True, env=os.environ | variables, timeout=300
  )


def programs(script):
  """Returns the name and the arguments of every program in a script."""
  listed = subprocess.run(
    ['bash', '-c', LISTING + script], stdout=subprocess.PIPE, text=True
  )
  return [line.split('\0')[:-1] for line in listed.stdout.splitlines()]


def command_of(words):
  """Returns the module of one of our commands and its arguments, or None."""
  if 'acm-jax' in words:
    name, *arguments = words[words.index('acm-jax') + 1 :]
    module, _ = console._file_of(console._COMMANDS[name])
    return importlib.import_module(module), arguments
  for position, word in enumerate(words):
    if word.startswith('benchmarks/'):
      spec = importlib.util.spec_from_file_location('program', ROOT / word)
      module = importlib.util.module_from_spec(spec)
      spec.loader.exec_module(module)
      return module, words[position + 1 :]
  return None


def check_flags(script, monkeypatch):
  """Parses the flags of the commands in a script without running them."""
  listed = programs(script)
  assert listed, 'the block has no program'
  for module, arguments in filter(None, map(command_of, listed)):
    argv = [module.__name__, *arguments]
    # Where ml_collections looks for --config.a.b=VALUE.
    monkeypatch.setattr(sys, 'argv', argv)
    code = command.run(module.define, lambda _: None, module.__doc__, argv)
    assert code == command.DONE, argv


SYBIL = Sybil(
  [
    CodeBlockParser('python', run_python),
    CodeBlockParser('bash', run_bash),
    SkipParser(),
  ]
)


@pytest.fixture(scope='module')
def inputs(tmp_path_factory):
  """Writes the video `clip.mp4`, and `SEQUENCES` in the layout `folder`."""
  folder = tmp_path_factory.mktemp('inputs')
  synthetic.write_folder(folder / 'SEQUENCES', sequences=2, frames=8, seed=1)
  with VideoWriter(folder / 'clip.mp4', 10.0) as writer:
    for frame in synthetic.generate(1, frames=8).frames:
      writer.write(frame)
  return folder


@pytest.fixture
def registries(monkeypatch):
  """Forgets after the test what the page registers."""
  for module, name in (
    (fusion, 'FUSIONS'),
    (layouts, 'LAYOUTS'),
    (benchmarks, 'BENCHMARKS'),
  ):
    monkeypatch.setattr(module, name, dict(getattr(module, name)))
  monkeypatch.setattr(trackers, '__path__', list(trackers.__path__))


@pytest.fixture
def document(page, inputs, registries, tmp_path, monkeypatch):
  """Parses a page, whose blocks run in a folder of their own."""
  shutil.copytree(inputs, tmp_path, dirs_exist_ok=True)
  monkeypatch.chdir(tmp_path)
  monkeypatch.syspath_prepend(tmp_path)
  # Flax looks up the module in which a class is defined.
  module = types.ModuleType('page')
  monkeypatch.setitem(sys.modules, 'page', module)
  document = SYBIL.parse(page)
  document.namespace = vars(module)
  frames = list(synthetic.generate(1, frames=8).frames)
  document.namespace['frames'] = frames
  for i, name in enumerate(('image', 'next_image', 'third_image')):
    document.namespace[name] = frames[i]
  yield document
  for name, module in list(sys.modules.items()):
    if (getattr(module, '__file__', None) or '').startswith(str(tmp_path)):
      del sys.modules[name]


@pytest.mark.parametrize(
  'page', PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES]
)
def test_the_blocks_of_a_page_run(document, monkeypatch):
  for example in document.examples():
    try:
      example.evaluate()
    except SkipTest:
      if example.region.lexemes['arguments'] == 'bash':
        check_flags(example.parsed, monkeypatch)


def test_few_blocks_are_marked_as_not_run():
  marks = [
    f'{page.relative_to(ROOT)}: {reason}'
    for page in PAGES
    for reason in re.findall(r'<!-- skip: next "(.+)" -->', page.read_text())
  ]
  print('\n'.join(marks))
  assert len(marks) == MARKED
