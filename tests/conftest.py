"""Shared fixtures; JAX with eight devices and strict checks of shapes."""

import contextlib
import functools
import os
import tempfile

from tests.xla_flags import FAST_COMPILE

# Set before JAX starts. The tests of sharding need several devices.
os.environ['XLA_FLAGS'] = ' '.join(
  [
    os.environ.get('XLA_FLAGS', ''),
    '--xla_force_host_platform_device_count=8',
    FAST_COMPILE,
  ]
)

# The processes of a test run compile many of the same programs, and share them.
# The main process makes the folder; the others inherit the variable.
if 'JAX_COMPILATION_CACHE_DIR' not in os.environ:
  _compiled = tempfile.TemporaryDirectory(prefix='acm_jax_tests_')
  os.environ['JAX_COMPILATION_CACHE_DIR'] = _compiled.name
  os.environ['JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS'] = '0'

from pathlib import Path

import jax
import pytest
from jaxtyping import install_import_hook

jax.config.update('jax_numpy_rank_promotion', 'raise')
jax.config.update('jax_default_matmul_precision', 'highest')

# Checks all shape annotations of both packages, in tests only.
install_import_hook(['acm_jax', 'data_pipelines'], 'beartype.beartype')


@pytest.fixture(autouse=True)
def _memory(monkeypatch):
  """Leaves the memory of the tests' process alone when a command runs in it."""
  from acm_jax.tracking import programs

  monkeypatch.setattr(programs, 'reuse_memory', lambda **_: None)


@pytest.fixture(scope='session')
def tiny_tracker():
  """Returns a tiny SiamBAN-ACM tracker, random variables, and its config."""
  from acm_jax import trackers
  from configs import siamban_acm
  from tests import variables

  config = siamban_acm.get_config('quickstart,tiny').to_dict()
  tracker = trackers.make(**config['tracker'])
  return tracker, variables.fill(tracker.init_variables), config


@pytest.fixture(scope='session')
def tiny_model(tiny_tracker):
  """Returns the tiny tracker as a model, with its config's hyper-parameters."""
  from acm_jax.tracking.contract import Hparams
  from acm_jax.tracking.model import Model

  tracker, variables, config = tiny_tracker
  return Model('tiny', tracker, variables, Hparams(**config['hparams']))


@pytest.fixture(scope='session')
def tiny_run(tiny_tracker, tmp_path_factory) -> Path:
  """Writes a run named `tiny`: the tiny tracker at step 0."""
  import optax

  from acm_jax.training import checkpoints, state, workdir

  _, variables, config = tiny_tracker
  folder = tmp_path_factory.mktemp('runs') / 'tiny'
  workdir.claim(folder, config)
  with checkpoints.Checkpoints(folder) as opened:
    opened.save(state.create(variables, optax.identity()))
  return folder


@pytest.fixture(scope='session')
def real_data() -> Path:
  """Returns the folder of real sequences, or skips the test without one."""
  default = Path(__file__).parents[2] / 'shared' / 'data'
  folder = Path(os.environ.get('ACM_TEST_DATA', default))
  if not folder.is_dir():
    pytest.skip(f'no test data at {folder} (set ACM_TEST_DATA)')
  return folder


@pytest.fixture(scope='session')
def sequences(tmp_path_factory) -> Path:
  """Writes two synthetic sequences of six frames in the layout `folder`."""
  from data_pipelines import synthetic

  folder = tmp_path_factory.mktemp('sequences') / 'held_out'
  synthetic.write_folder(folder, sequences=2, frames=6, seed=5)
  return folder


@pytest.fixture(scope='session')
def clips_with_classes(tmp_path_factory) -> Path:
  """Writes a clip set of synthetic targets: two cats, a dog, and unknown."""
  from data_pipelines import clip_writer, synthetic_set

  classes = ('cat', 'cat', 'dog', '')
  tracks = synthetic_set.tracks(len(classes), 5, (120, 160), seed=2)
  folder = tmp_path_factory.mktemp('clips_with_classes') / 'synthetic'
  named = zip(tracks, classes, strict=True)
  clip_writer.write((t._replace(category=name) for t, name in named), folder)
  return folder


@pytest.fixture
def run_command(capfd):
  """Returns a function that runs a command's module.

  The function returns the exit code and the lines of stdout and stderr.
  """
  from acm_jax.host import command

  def run(module, *argv):
    capfd.readouterr()
    argv = ['program', *map(str, argv)]
    code = command.run(module.define, module.main, module.__doc__, argv)
    printed = capfd.readouterr()
    return code, printed.out.splitlines(), printed.err.splitlines()

  return run


@pytest.fixture
def refuse(run_command):
  """Returns a check that a command fails with code 2 and a one-line error."""

  def refuse(module, *argv, message):
    code, _, errors = run_command(module, *argv)
    assert code == 2, errors
    assert len(errors) == 1
    assert errors[0].startswith('error: ')
    assert message in errors[0]

  return refuse


@pytest.fixture
def limit_file_size():
  """Returns a context manager that limits the size of written files, bytes.

  A file at the limit fails like a file on a full disk. The context manager
  yields a function that ends the limit early.
  """
  import resource

  @contextlib.contextmanager
  def limit(size):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    end = functools.partial(resource.setrlimit, resource.RLIMIT_FSIZE, before)
    try:
      yield end
    finally:
      end()

  return limit


@pytest.fixture
def bucket(tmp_path, monkeypatch):
  """Serves a local folder as s3://bucket and returns its path."""
  import fsspec
  from etils.epath import backend, gpath
  from fsspec.implementations import dirfs

  class Store(dirfs.DirFileSystem):
    protocol = 's3'

  folder = tmp_path / 'store' / 'bucket'
  folder.mkdir(parents=True)
  store = Store(str(folder.parent), fsspec.filesystem('file', auto_mkdir=True))
  monkeypatch.setattr(gpath, '_is_tf_installed', lambda: False)
  monkeypatch.setattr(
    type(backend.fsspec_backend), '_get_filesystem', lambda *_: store
  )
  return folder
