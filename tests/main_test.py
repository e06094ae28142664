"""Tests of the console command: its overview and its subcommands."""

import importlib
import importlib.metadata

import pytest

import acm_jax
from acm_jax import __main__ as console


def test_help_lists_every_command(capsys):
  assert console.main(['--help']) == 0
  lines = capsys.readouterr().out.splitlines()
  for name in console._COMMANDS:
    (line,) = [each for each in lines if each.startswith(f'  acm-jax {name} ')]
    assert line.rstrip().endswith('.')


def test_the_version_is_that_of_the_installed_package(capsys):
  assert console.main(['--version']) == 0
  assert capsys.readouterr().out == f'acm-jax {acm_jax.__version__}\n'
  assert importlib.metadata.version('acm-jax') == acm_jax.__version__


@pytest.mark.parametrize('name', console._COMMANDS)
def test_each_command_shows_its_help_with_an_example(name, capsys):
  assert console.main([name, '--help']) == 0
  module, _ = console._file_of(console._COMMANDS[name])
  first = importlib.import_module(module).__doc__.strip().splitlines()[0]
  printed = capsys.readouterr().out
  assert first in printed
  assert f'\n  acm-jax {name} --' in printed


def test_an_unknown_command_is_refused_and_the_known_ones_listed(capsys):
  assert console.main(['tracc']) == 2
  message = "unknown command 'tracc'; choose one of track, demo, train"
  assert message in capsys.readouterr().err
