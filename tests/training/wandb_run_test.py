"""Tests that the rows of a run go to one run of Weights & Biases."""

import copy
import json
import struct
import sys
import types

import pytest

from acm_jax.training import wandb_run
from tests.training import fakes


@pytest.fixture
def config():
  config = copy.deepcopy(fakes.PLAN)
  config['log'].update(every=4, wandb='tracking')
  return config


class FakeWandb(types.ModuleType):
  """Fake package that keeps the arguments and the rows of all runs.

  Attributes:
    begun: Arguments of each run that was begun.
    rows: Rows of all runs.
    open: Number of runs that are not finished.
  """

  Error = type('Error', (Exception,), {})
  Settings = dict
  offline, url = False, 'https://example.org/run'

  def __init__(self):
    super().__init__('wandb')
    self.begun, self.rows, self.open = [], [], 0

  def init(self, **arguments):
    self.begun.append(arguments)
    self.open += 1
    return self

  def define_metric(self, name, step_metric):
    assert (name, step_metric) == ('*', 'step')

  def log(self, row):
    self.rows.append(row)

  def finish(self):
    self.open -= 1


def test_a_resumed_run_continues_its_run_of_wandb(
  config, tmp_path, monkeypatch, capsys
):
  wandb = FakeWandb()
  monkeypatch.setitem(sys.modules, 'wandb', wandb)
  with pytest.raises(KeyboardInterrupt):
    fakes.train(config, tmp_path, batches=fakes.Batches(5))
  assert wandb.open == 0
  fakes.train(config, tmp_path)
  assert wandb.open == 0
  assert [row['step'] for row in wandb.rows] == [4, 8]
  first, second = wandb.begun
  assert first['id'] == second['id']
  assert (first['project'], first['name']) == ('tracking', tmp_path.name)
  assert first['config']['optimizer'] == config['optimizer']
  assert FakeWandb.url in capsys.readouterr().out


def test_no_wandb_is_imported_unless_a_project_is_named(
  config, tmp_path, monkeypatch
):
  # None makes the import fail.
  monkeypatch.setitem(sys.modules, 'wandb', None)
  config['log']['wandb'] = ''
  fakes.train(config, tmp_path)
  assert not list(tmp_path.glob('wandb*'))


def test_a_failed_login_is_reported_in_one_line(config, tmp_path, monkeypatch):
  wandb = FakeWandb()

  def init(**_):
    raise wandb.Error('no key')

  monkeypatch.setattr(wandb, 'init', init)
  monkeypatch.setitem(sys.modules, 'wandb', wandb)
  with pytest.raises(RuntimeError, match=r'log\.wandb: no key; run wandb l'):
    fakes.train(config, tmp_path)


def test_a_missing_package_is_named_with_the_command_that_installs_it(
  monkeypatch,
):
  monkeypatch.setattr(wandb_run.importlib.util, 'find_spec', lambda _: None)
  wandb_run.check('')
  with pytest.raises(RuntimeError, match=r"pip install 'acm-jax\[wandb\]'"):
    wandb_run.check('tracking')


def records(path):
  """Yields the records of an offline run that fits into one block."""
  from wandb.proto import wandb_internal_pb2

  # A header of the file; then each record after its checksum, length and kind.
  data = path.read_bytes()[7:]
  while data:
    length, kind = struct.unpack_from('<HB', data, 4)
    assert kind == 1
    yield wandb_internal_pb2.Record.FromString(data[7 : 7 + length])
    data = data[7 + length :]


def test_the_package_itself_stores_the_rows_offline(
  config, tmp_path, monkeypatch
):
  pytest.importorskip('wandb')
  monkeypatch.setenv('WANDB_MODE', 'offline')
  fakes.train(config, tmp_path)
  (path,) = tmp_path.glob('wandb/offline-run-*/run-*.wandb')
  assert path.stem == f'run-{(tmp_path / "wandb_id.txt").read_text()}'
  rows = [
    {
      item.key or '/'.join(item.nested_key): json.loads(item.value_json)
      for item in record.history.item
    }
    for record in records(path)
    if record.WhichOneof('record_type') == 'history'
  ]
  written = (tmp_path / 'metrics.jsonl').read_text().splitlines()
  written = list(map(json.loads, written))
  assert [row['step'] for row in rows] == [4, 8]
  assert [row['loss'] for row in rows] == [row['loss'] for row in written]
