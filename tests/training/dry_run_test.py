"""Descriptions of runs: counts, costs, sharding and expected reads."""

import math
import re
from unittest import mock

import jax
import pytest

from acm_jax.training import sharding
from acm_jax.training.dry_run import describe
from data_pipelines.mixture import Mixture
from tests.training import fakes


def rows(mesh, workdir, config=fakes.PLAN, **more):
  """Describes a run; returns the cells of each row by the first cell."""
  more = {'step': None, 'mixture': None} | more
  plan = fakes.make_plan(config)
  text = describe(plan, config, mesh, workdir, **more)
  cells = [re.split(r' {2,}', line) for line in text.splitlines() if line]
  return {name: rest for name, *rest in cells}


@pytest.fixture(scope='module')
def one(tmp_path_factory):
  return rows(fakes.one_device(), tmp_path_factory.mktemp('empty') / 'run')


def sizes(module):
  params = fakes.make_plan().shapes['params'][module]
  return [math.prod(leaf.shape) for leaf in jax.tree.leaves(params)]


def test_parameters_are_counted_for_each_module_and_phase(one):
  backbone, head = sum(sizes('backbone')), sum(sizes('head'))
  assert one['parameters'][1:3] == ['train in frozen', 'train in unfrozen']
  assert one['backbone'][:3] == [str(backbone), '0', str(backbone)]
  assert one['head'][:3] == [str(head)] * 3
  assert one['total'][:2] == [str(backbone + head), str(head)]


def test_the_frozen_phase_costs_less(one):
  def number(text):
    value, unit = text.split()
    return float(value) * {'B': 1, 'FLOP': 1, 'k': 1e3, 'M': 1e6}.get(
      unit if unit in ('B', 'FLOP') else unit[0]
    )

  frozen, unfrozen = (
    list(map(number, one[phase][1:])) for phase in ('frozen', 'unfrozen')
  )
  assert [one[phase][0] for phase in ('frozen', 'unfrozen')] == ['0-2', '3-3']
  flops, arguments = 0, 1
  assert 0 < frozen[flops] < unfrozen[flops]
  # The momentum of the backbone is missing.
  assert frozen[arguments] < unfrozen[arguments]
  # A batch is at least this large: 8 pairs of a template and a search crop.
  assert frozen[arguments] > 8 * 3 * (16**2 + 32**2)


def test_split_parameters_are_counted_on_each_device(tmp_path):
  config = {**fakes.PLAN, 'sharding': {'fsdp': 4}}
  split = rows(sharding.make_mesh(4), tmp_path, config)
  assert split['devices'] == ['8 (cpu); mesh data=2, fsdp=4']
  assert split['batch'] == ['8 pairs, 1 on each device']
  # Every array of the backbone has a multiple of four channels; those of the
  # head have six, except for its kernel.
  backbone = sizes('backbone')
  assert split['backbone'][3:] == [
    str(sum(backbone) // 4),
    f'{len(backbone)} of {len(backbone)}',
  ]
  assert split['head'][4] == f'1 of {len(sizes("head"))}'


@pytest.mark.parametrize(
  ('arguments', 'expected'),
  [
    ({'source': 'records'}, 'about 16 kB a step, 128 kB in all'),
    ({'source': 'memory', 'workers': 2}, 'about 16 kB a step, 128 kB in all'),
    ({'source': 'memory'}, '5 MB in all, read once and kept in memory'),
  ],
)
def test_reads_are_expected_from_the_mean_size_of_crops(
  tmp_path, arguments, expected
):
  mixture = mock.create_autospec(Mixture, instance=True)
  mixture.crop_bytes, mixture.stored_bytes = 1000.0, 5e6
  config = {**fakes.PLAN, 'data': arguments}
  described = rows(fakes.one_device(), tmp_path, config, mixture=mixture)
  # Eight steps of eight pairs of two crops.
  assert described['data reads'] == ['16 crops a step, 128 in all']
  assert described['bytes'] == [expected]


def test_missing_sets_are_named_and_nothing_is_written(tmp_path):
  workdir = tmp_path / 'run'
  described = rows(
    fakes.one_device(), workdir, step=3, missing=['got10k', 'lasot']
  )
  assert described['bytes'] == [
    'unknown; data sets that do not exist yet: got10k, lasot'
  ]
  assert described['folder'] == [f'{workdir} (resumes at step 3)']
  assert not list(tmp_path.iterdir())


def test_phases_that_the_run_does_not_reach_are_left_out(tmp_path):
  config = {**fakes.PLAN, 'train': {**fakes.PLAN['train'], 'epochs': 2}}
  described = rows(fakes.one_device(), tmp_path, config)
  assert described['frozen'][0] == '0-1'
  assert 'unfrozen' not in described
