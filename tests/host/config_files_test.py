"""Search for config files, and their imports."""

import subprocess
import sys

import pytest
from absl import flags
from ml_collections import config_flags

from acm_jax.host import config_files


def resolve(*argv):
  values = flags.FlagValues()
  config_flags.DEFINE_config_file('config', None, '', flag_values=values)
  return config_files.resolve(values, ['train', *argv])[1:]


@pytest.mark.parametrize(
  'name', ['siamban_acm', 'siamban_acm.py', 'configs/siamban_acm.py']
)
def test_a_config_of_the_package_is_found_from_any_folder(
  tmp_path, monkeypatch, name
):
  monkeypatch.chdir(tmp_path)
  own = config_files.folder() / 'siamban_acm.py'
  assert resolve(f'--config={name}:small') == [f'--config={own}:small']
  assert resolve('--config=SiamBAN-ACM:small') == [f'--config={own}:small']
  rest = '--config.train.epochs=2', '--workdir', 'run'
  assert resolve('--config', name, *rest) == ['--config', str(own), *rest]


def test_a_path_has_precedence_over_a_name(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  (tmp_path / 'configs').mkdir()
  text = 'def get_config(arg=None): ...'
  (tmp_path / 'configs' / 'siamban.py').write_text(text)
  assert config_files.find('configs/siamban.py').resolve().parent.parent == (
    tmp_path.resolve()
  )


@pytest.mark.parametrize('name', ['siamban_acn', 'mine/siamban.py'])
def test_an_unknown_config_is_refused_with_the_known_ones(name):
  with pytest.raises(FileNotFoundError, match=rf'{name}: no such file; .*siam'):
    config_files.find(name)


@pytest.mark.parametrize('name', ['common', 'presets', 'mine.py'])
def test_a_file_without_get_config_is_refused(tmp_path, monkeypatch, name):
  monkeypatch.chdir(tmp_path)
  (tmp_path / 'mine.py').write_text('x = 1\n')
  with pytest.raises(FileNotFoundError, match=rf'{name}: defines no get_conf'):
    config_files.find(name)


def test_a_config_can_import_its_neighbours_and_those_of_the_package(tmp_path):
  (tmp_path / 'rates.py').write_text('PEAK = 0.25\n')
  (tmp_path / 'mine.py').write_text(
    'from configs import rates, siamban\n'
    'def get_config(arg=None):\n'
    '  config = siamban.get_config(arg)\n'
    '  with config.unlocked():\n'
    '    config.schedule.peak_rate = rates.PEAK\n'
    '  return config\n'
  )
  # A new process has not imported `configs` from the repository.
  program = (
    'from absl import flags\n'
    'from ml_collections import config_flags\n'
    'from acm_jax.host import config_files\n'
    'values = flags.FlagValues()\n'
    "config_flags.DEFINE_config_file('config', None, '', flag_values=values)\n"
    "values(config_files.resolve(values, ['x', '--config=mine.py']))\n"
    'print(values.config.schedule.peak_rate)\n'
  )
  ran = subprocess.run(
    [sys.executable, '-c', program],
    cwd=tmp_path,
    capture_output=True,
    text=True,
    check=True,
  )
  assert ran.stdout.split() == ['0.25']


def test_a_string_flag_named_config_is_not_changed():
  values = flags.FlagValues()
  flags.DEFINE_string('config', None, '', flag_values=values)
  argv = ['bench', '--config=nowhere.py']
  assert config_files.resolve(values, argv) == argv


def test_a_config_is_loaded_with_its_argument(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  assert config_files.load('siamrpn')['tracker']['backbone'] == 'resnet50'
  config = config_files.load('siamrpn:backbone=alexnet')
  assert config['tracker']['backbone'] == 'alexnet'
  with pytest.raises(ValueError, match='alexnot'):
    config_files.load('siamrpn:backbone=alexnot')
