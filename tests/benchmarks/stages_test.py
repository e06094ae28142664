"""Stages on an accelerator: how they run, and what they record."""

import dataclasses
import importlib
import json

import jax
import pytest

from acm_jax.timing import measure
from acm_jax.training import trained
from benchmarks import accelerator
from benchmarks.accelerator_stages import (
  device,
  parity,
  pieces,
  record,
  runner,
  step,
)

# Keys are stages; values are the bodies of the functions `rows`.
ROW = "yield {'number': 1, 'nothing': None}\n"
STAGES = {
  'good': ROW,
  'fails': f'{ROW}  raise ValueError("no such thing\\nand more")\n',
  'killed': f'{ROW}  import os, signal\n  os.kill(os.getpid(), signal.SIGKILL)',
  'endless': 'import threading\n  threading.Event().wait()\n  yield {}\n',
  'reads_earlier': "yield {'rows before': len(settings.earlier['good'])}\n",
}


@pytest.fixture
def run_stages(settings, monkeypatch):
  """Returns a function that runs some of `STAGES` and returns their report."""
  folder = settings.out

  def run(names, limit=60.0):
    for name, body in STAGES.items():
      text = f'def rows(settings):\n  {body}'
      (folder / f'stage_{name}.py').write_text(text)
    monkeypatch.syspath_prepend(str(folder))
    modules = {name: f'stage_{name}' for name in names}
    limits = dict.fromkeys(names, limit)
    results = record.Record(folder, {'rehearsal': True})
    runner.run(modules, limits, settings, results)
    return json.loads((folder / record.FILE).read_text())['stages']

  return run


def test_a_failed_stage_keeps_its_rows_and_does_not_stop_the_rest(
  run_stages, capfd
):
  stages = run_stages(['fails', 'killed', 'good', 'reads_earlier'])
  assert {name: stage['status'] for name, stage in stages.items()} == {
    'fails': 'failed',
    'killed': 'failed',
    'good': 'done',
    'reads_earlier': 'done',
  }
  assert stages['fails']['error'] == 'ValueError: no such thing'
  assert stages['killed']['error'] == 'exit code -9'
  for name in ('fails', 'killed', 'good'):
    assert stages[name]['rows'] == [{'number': 1, 'nothing': None}]
  assert stages['reads_earlier']['rows'] == [{'rows before': 1}]
  # The log has the traceback.
  assert 'no such thing' in capfd.readouterr().err


def test_a_stage_is_stopped_at_its_time_limit(run_stages):
  stages = run_stages(['endless'], limit=0.1)
  assert stages['endless']['status'] == 'stopped'
  assert stages['endless']['error'] == 'stopped at the time limit of 0 s'


def test_the_results_are_complete_after_every_row(tmp_path):
  results = record.Record(tmp_path, {'rehearsal': True})
  seen = []

  def observe():
    stage = record.read(tmp_path / record.FILE)['stages']['device']
    seen.append((stage['status'], stage['rows']))

  def interrupted():
    with results.stage('device', 5.0) as add:
      observe()
      add({'figure': 1.5})
      observe()
      raise KeyboardInterrupt

  with pytest.raises(KeyboardInterrupt):
    interrupted()
  observe()
  row = {'figure': 1.5}
  assert seen == [('running', []), ('running', [row]), ('interrupted', [row])]
  host = record.read(tmp_path / record.FILE)['host']
  assert host['packages']['jax'] == jax.__version__
  assert [path.name for path in tmp_path.iterdir()] == [record.FILE]


def test_each_table_has_the_columns_of_its_rows():
  rows = [{'a': 1, 'rounds': 3}, {'a': 20_000.0, 'rounds': 3}, {'b': None}]
  stage = {'status': 'failed', 'seconds': 2.0, 'error': 'why', 'rows': rows}
  text = """\
## step (failed, 2.0 s)

why

| a |
| --- |
| 1 |
| 20,000 |

| b |
| --- |
|  |"""
  assert record.tables({'stages': {'step': stage}}) == text


@pytest.mark.parametrize(
  ('argv', 'message'),
  [
    ((), '--out: missing'),
    (('--stage=device,paint',), '--stage=paint: unknown; choose from device'),
    (('--stage=train',), '--config: missing'),
    (('--packed=nowhere',), '--packed=nowhere: no such folder'),
    (('--report=nowhere.json',), 'nowhere.json: no such file'),
    (('--stage=device', '--limit=0'), 'limit'),
  ],
)
def test_an_invalid_request_is_refused(refuse, tmp_path, argv, message):
  out = (f'--out={tmp_path / "out"}',) if argv else ()
  refuse(accelerator, *argv, *out, message=message)
  assert not (tmp_path / 'out').exists()


def test_results_are_not_overwritten(refuse, tmp_path):
  record.Record(tmp_path, {})
  message = 'already exists; choose another --out'
  refuse(accelerator, '--stage=device', f'--out={tmp_path}', message=message)


def test_every_reference_network_has_a_config():
  assert set(parity.reference_names()) <= set(parity.CONFIGS)


@pytest.mark.parametrize('name', step.WANTED)
def test_every_timed_step_trains_the_backbone(name):
  config = importlib.import_module(f'configs.{name}').get_config().to_dict()
  # One precision per dtype is enough, as making a plan takes seconds.
  precisions = {step.dtype_of(p): p for _, p in step.WANTED[name]}
  for dtype, precision in precisions.items():
    plan = step.plan_of(config, precision)
    assert plan.tracker.dtype == dtype
    assert plan.phases[-1].mode(plan.shapes['params']).trains(('backbone',))


@pytest.mark.parametrize('name', step.WANTED)
def test_the_largest_batch_of_a_timed_step_is_tried_first(name):
  for sizes, _ in step.WANTED[name]:
    assert list(sizes) == sorted(sizes, reverse=True)


def test_the_peak_is_measured_in_jax_with_the_same_type(settings):
  rows = [
    {'device': 'a device'},
    {'type': 'bfloat16', 'form': 'torch', 'tflops': 7.0},
    {'type': 'bfloat16', 'form': 'jax', 'tflops': 8.0},
  ]
  measured = dataclasses.replace(settings, earlier={'device': rows})
  assert device.peak(measured, 'bfloat16') == 8.0
  assert device.peak(measured, 'float32 (highest)') is None
  assert device.peak(settings, 'bfloat16') is None


def test_a_timing_on_an_accelerator_is_the_mean_of_several_calls(monkeypatch):
  monkeypatch.setattr(measure.jax, 'default_backend', lambda: 'gpu')
  clock = iter(range(10**6))
  monkeypatch.setattr(measure.time, 'perf_counter', lambda: next(clock) * 1e-3)
  monkeypatch.setattr(measure.time, 'sleep', lambda _: None)
  calls = []
  work = measure.Work({}, {'ours': lambda: calls.append(None)})
  (row,) = measure.measure([work], seconds=0.0)
  # Every timing takes one tick of 1 ms: the first call, one call to find out
  # how many calls take 5 ms, and three rounds of five calls.
  assert len(calls) == 1 + 1 + 3 * 5
  assert row['least_ms'] == pytest.approx(1 / 5)


@pytest.mark.slow
def test_the_rehearsal_runs_every_stage(run_command, tmp_path):
  # The rehearsal takes under three minutes on two idle cores.
  argv = '--rehearse', '--limit=900', f'--out={tmp_path}'
  code, _, errors = run_command(accelerator, *argv)
  stages = record.read(tmp_path / record.FILE)['stages']
  assert code == 0, errors
  assert list(stages) == list(accelerator.STAGES)
  assert all(stage['rows'] for stage in stages.values())
  for row in stages['parity']['rows']:
    # float32 outputs differ from the float64 reference by rounding.
    assert row['highest'] < 1e-5
  pieces.join(tmp_path / 'siamban_acm.pieces.json', tmp_path / 'joined')
  config, _ = trained.read(tmp_path / 'joined')
  assert config['tracker']['fusion'] == 'acm'
  last = (tmp_path / 'metrics.jsonl').read_text().splitlines()[-1]
  assert json.loads(last)['step'] == stages['train']['rows'][0]['step']
