"""Strictness for every test: shapes checked, ranks explicit, eight devices."""

import os

# Before JAX starts. Sharding tests need several devices; and as most programs
# here run once, it takes longer to compile them well than to run them.
os.environ['XLA_FLAGS'] = ' '.join(
  [
    os.environ.get('XLA_FLAGS', ''),
    '--xla_force_host_platform_device_count=8',
    '--xla_backend_optimization_level=0',
  ]
)

from pathlib import Path

import jax
import pytest
from jaxtyping import install_import_hook

jax.config.update('jax_numpy_rank_promotion', 'raise')
jax.config.update('jax_default_matmul_precision', 'highest')

# Checks every annotated shape in the packages; costs nothing outside tests.
install_import_hook(['acm_jax', 'data_pipelines'], 'beartype.beartype')


@pytest.fixture(scope='session')
def tiny_tracker():
  """A SiamBAN-ACM, random variables of its network, and its config."""
  from acm_jax import trackers
  from configs import siamban_acm
  from tests import variables

  config = siamban_acm.get_config('quickstart,tiny').to_dict()
  tracker = trackers.make(**config['tracker'])
  return tracker, variables.fill(tracker.init_variables), config


@pytest.fixture(scope='session')
def tiny_model(tiny_tracker):
  """The same with the hyper-parameters of its config."""
  from acm_jax.tracking.contract import Hparams
  from acm_jax.tracking.model import Model

  tracker, variables, config = tiny_tracker
  return Model('tiny', tracker, variables, Hparams(**config['hparams']))


@pytest.fixture(scope='session')
def tiny_run(tiny_tracker, tmp_path_factory) -> Path:
  """The folder of a run with that tracker at step 0, named `tiny`."""
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
  """Folder of real sequences and annotations; skips where there is none."""
  default = Path(__file__).parents[2] / 'shared' / 'data'
  folder = Path(os.environ.get('ACM_TEST_DATA', default))
  if not folder.is_dir():
    pytest.skip(f'no test data at {folder} (set ACM_TEST_DATA)')
  return folder


@pytest.fixture(scope='session')
def sequences(tmp_path_factory) -> Path:
  """Two synthetic sequences of six frames in the layout `folder`."""
  from data_pipelines import synthetic

  folder = tmp_path_factory.mktemp('sequences') / 'held_out'
  synthetic.write_folder(folder, sequences=2, frames=6, seed=5)
  return folder


@pytest.fixture
def run_command(capfd):
  """Runs a command's module; gives its exit code, stdout and stderr lines."""
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
  """Checks that a command exits with 2 and one line that says `message`."""

  def refuse(module, *argv, message):
    code, _, errors = run_command(module, *argv)
    assert code == 2, errors
    assert len(errors) == 1
    assert errors[0].startswith('error: ')
    assert message in errors[0]

  return refuse


@pytest.fixture
def bucket(tmp_path, monkeypatch):
  """A folder of this machine that stands for the address s3://bucket."""

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
