"""What is measured on an accelerator: stages, results, pieces and packs."""

import dataclasses
import importlib
import json
import os
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from acm_jax.timing import measure, run
from acm_jax.training import checkpoints, plan
from benchmarks import accelerator
from benchmarks.accelerator_stages import (
  device,
  packing,
  parity,
  pieces,
  record,
  runner,
  step,
  train,
)
from benchmarks.accelerator_stages.settings import Settings, Training
from data_pipelines import batch
from tests import formulas

ROW = "yield {'number': 1, 'nothing': None}\n"
STAGES = {
  'good': ROW,
  'fails': f'{ROW}  raise ValueError("no such thing\\nand more")\n',
  'killed': f'{ROW}  import os, signal\n  os.kill(os.getpid(), signal.SIGKILL)',
  'endless': 'import threading\n  threading.Event().wait()\n  yield {}\n',
  'looks_back': "yield {'rows before': len(settings.earlier['good'])}\n",
}


def settings_of(folder, **changes):
  training = Training(config='', minutes=1.0)
  return Settings(folder, True, None, 'davis', training, **changes)


def run_stages(names, folder, monkeypatch, limit=60.0):
  """The report of stages that are written as modules."""
  for name, body in STAGES.items():
    text = f'def rows(settings):\n  {body}'
    (folder / f'stage_{name}.py').write_text(text)
  monkeypatch.syspath_prepend(str(folder))
  kept = record.Record(folder, {'rehearsal': True})
  modules = {name: f'stage_{name}' for name in names}
  limits = dict.fromkeys(names, limit)
  runner.run(modules, limits, settings_of(folder), kept)
  return json.loads((folder / record.FILE).read_text())


def test_a_stage_that_fails_or_dies_keeps_its_rows_and_the_rest_go_on(
  tmp_path, monkeypatch, capfd
):
  names = ('fails', 'killed', 'good', 'looks_back')
  stages = run_stages(names, tmp_path, monkeypatch)['stages']
  assert {name: stage['status'] for name, stage in stages.items()} == {
    'fails': 'failed',
    'killed': 'failed',
    'good': 'done',
    'looks_back': 'done',
  }
  assert stages['fails']['error'] == 'ValueError: no such thing'
  assert stages['killed']['error'] == 'exit code -9'
  for name in ('fails', 'killed', 'good'):
    assert stages[name]['rows'] == [{'number': 1, 'nothing': None}]
  assert stages['looks_back']['rows'] == [{'rows before': 1}]
  # The traceback is for whoever looks at the log.
  assert 'no such thing' in capfd.readouterr().err


def test_a_stage_is_stopped_at_its_limit(tmp_path, monkeypatch):
  stages = run_stages(['endless'], tmp_path, monkeypatch, limit=0.1)['stages']
  assert stages['endless']['status'] == 'stopped'
  assert stages['endless']['error'] == 'stopped at its limit of 0 s'


def test_the_results_are_whole_after_every_row(tmp_path):
  kept = record.Record(tmp_path, {'rehearsal': True})
  seen = []

  def note():
    stage = record.read(tmp_path / record.FILE)['stages']['device']
    seen.append((stage['status'], stage['rows']))

  def interrupted():
    with kept.stage('device', 5.0) as add:
      note()
      add({'figure': 1.5})
      note()
      raise KeyboardInterrupt

  with pytest.raises(KeyboardInterrupt):
    interrupted()
  note()
  row = {'figure': 1.5}
  assert seen == [('running', []), ('running', [row]), ('interrupted', [row])]
  host = record.read(tmp_path / record.FILE)['host']
  assert host['packages']['jax'] == jax.__version__
  assert [path.name for path in tmp_path.iterdir()] == [record.FILE]


def test_tables_have_the_columns_of_their_rows(tmp_path):
  rows = [{'a': 1, 'rounds': 3}, {'a': 20_000.0, 'rounds': 3}, {'b': None}]
  stage = {'status': 'failed', 'seconds': 2.0, 'error': 'why', 'rows': rows}
  assert record.tables({'stages': {'step': stage}}).splitlines() == [
    *('## step (failed, 2.0 s)', '', 'why', ''),
    *('| a |', '| --- |', '| 1 |', '| 20,000 |', ''),
    *('| b |', '| --- |', '|  |'),
  ]


@pytest.mark.parametrize(
  ('argv', 'message'),
  [
    ((), '--out is missing'),
    (('--stage=device,paint',), '--stage paint: there are device, parity'),
    (('--stage=train',), '--config is missing'),
    (('--packed=nowhere',), '--packed nowhere: no such folder'),
    (('--report=nowhere.json',), 'nowhere.json: no such file'),
    (('--stage=device', '--limit=0'), 'limit'),
  ],
)
def test_a_wrong_request_is_refused(refuse, tmp_path, argv, message):
  out = (f'--out={tmp_path / "out"}',) if argv else ()
  refuse(accelerator, *argv, *out, message=message)
  assert not (tmp_path / 'out').exists()


def test_results_are_not_overwritten(refuse, tmp_path):
  record.Record(tmp_path, {})
  asked = '--stage=device', f'--out={tmp_path}'
  refuse(accelerator, *asked, message='is there already: name another --out')


@pytest.fixture
def run_folder(tmp_path):
  """A folder of files, one of them empty, and data beside them."""
  folder = tmp_path / 'run'
  (folder / 'checkpoints' / '8').mkdir(parents=True)
  (folder / 'data').mkdir()
  random = np.random.default_rng(0)
  (folder / 'checkpoints' / '8' / 'weights').write_bytes(random.bytes(50_000))
  (folder / 'config.json').write_text('{}')
  (folder / 'empty').touch()
  (folder / 'data' / 'large').write_bytes(bytes(10))
  return folder


def contents(folder: Path) -> dict[str, bytes]:
  return {
    str(path.relative_to(folder)): path.read_bytes()
    for path in folder.rglob('*')
    if path.is_file()
  }


def test_pieces_join_to_the_same_files(run_folder, tmp_path, run_command):
  listed, *rest = pieces.split(
    run_folder, tmp_path, without=('data',), piece_bytes=20_000
  )
  assert len(rest) > 2
  assert all(path.stat().st_size <= 20_000 for path in rest)
  argv = '--list', listed, '--out', tmp_path / 'joined'
  assert run_command(pieces, *argv)[0] == 0
  expected = contents(run_folder)
  del expected['data/large']
  assert contents(tmp_path / 'joined') == expected


def test_pieces_of_a_later_state_take_the_place_of_those_before(
  run_folder, tmp_path, monkeypatch
):
  before = contents(run_folder)
  listed, *_ = pieces.split(run_folder, tmp_path, piece_bytes=20_000)
  (run_folder / 'config.json').write_text('{"other": 1}')
  with monkeypatch.context() as patch:
    patch.setattr(pieces.json, 'dumps', None)
    # Cut off between the pieces and their list.
    with pytest.raises(TypeError):
      pieces.split(run_folder, tmp_path, piece_bytes=20_000)
  pieces.join(listed, tmp_path / 'before')
  assert contents(tmp_path / 'before') == before
  _, *rest = pieces.split(run_folder, tmp_path, piece_bytes=20_000)
  pieces.join(listed, tmp_path / 'after')
  assert contents(tmp_path / 'after') == contents(run_folder)
  assert set(tmp_path.glob('run.tar.*')) == set(rest)


@pytest.mark.parametrize('fault', ['damaged', 'missing', 'no list'])
def test_pieces_with_a_fault_are_refused(run_folder, tmp_path, fault, refuse):
  listed, _, piece, *_ = pieces.split(run_folder, tmp_path, piece_bytes=20_000)
  if fault == 'damaged':
    data = bytearray(piece.read_bytes())
    data[100] ^= 1
    piece.write_bytes(data)
  elif fault == 'missing':
    piece.unlink()
  else:
    listed.write_text('{')
  out = tmp_path / 'joined'
  culprit = listed if fault == 'no list' else piece
  refuse(pieces, '--list', listed, '--out', out, message=str(culprit))
  assert not out.exists()


def test_a_pack_holds_the_weights_of_a_run_and_what_else_is_named(
  run_command, run_folder, tiny_run, tmp_path
):
  out = tmp_path / 'pack'
  code, printed, errors = run_command(
    accelerator,
    *(f'--pack={out}', f'--data={run_folder}', f'--checkpoint={tiny_run}'),
  )
  assert code == 0, errors
  assert any(line.endswith('checkpoints/tiny') for line in printed)
  assert contents(out / 'data') == contents(run_folder)
  config, variables = checkpoints.load_variables(out / 'checkpoints' / 'tiny')
  expected_config, expected = checkpoints.load_variables(tiny_run)
  assert config == expected_config
  jax.tree.map(np.testing.assert_array_equal, variables, expected)
  # All else that the run needs to go on, as the momentum, is left behind.
  parts = [path.name for path in out.glob('checkpoints/tiny/checkpoints/0/*')]
  assert 'model' in parts
  assert 'progress' not in parts


def test_a_pack_beyond_the_limit_is_refused_with_the_sizes(
  refuse, run_folder, tmp_path, monkeypatch
):
  monkeypatch.setattr(packing, 'LIMIT_BYTES', 40_000)
  out = tmp_path / 'pack'
  asked = f'--pack={out}', f'--data={run_folder}'
  refuse(accelerator, *asked, message='data/checkpoints 0.0')
  assert not out.exists()


def test_a_pack_of_what_is_not_there_is_refused(refuse, tmp_path):
  asked = f'--pack={tmp_path / "pack"}', f'--wheels={tmp_path / "wheels"}'
  refuse(accelerator, *asked, message='no such folder')


def test_wheels_of_a_pack_can_be_imported(tmp_path, monkeypatch):
  monkeypatch.setattr('sys.path', ['before'])
  monkeypatch.setenv('PYTHONPATH', 'elsewhere')
  (tmp_path / 'wheels').mkdir()
  wheel = tmp_path / 'wheels' / 'package-1.0-py3-none-any.whl'
  wheel.touch()
  packing.use_wheels(tmp_path)
  assert sys.path == ['before', str(wheel)]
  assert os.environ['PYTHONPATH'] == f'elsewhere{os.pathsep}{wheel}'


TRAINING = """
import pathlib, sys
workdir = pathlib.Path(sys.argv[1])
(workdir / 'metrics.jsonl').write_text('{"step": 3}\\n{"step": 6}\\n')
(workdir / 'data').mkdir()
print('error: the last line')
sys.exit(int(sys.argv[2]))
"""


# One checkpoint is finished, the next is not; ends when there are pieces.
CHECKPOINTS = """
import pathlib, sys
workdir, listed = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
for name in ('8', '4'):
  partial = workdir / 'checkpoints' / f'{name}.orbax-checkpoint-tmp'
  partial.mkdir(parents=True)
  (partial / 'weights').touch()
partial.rename(partial.with_name('4'))
while not listed.exists():
  pass
"""


@pytest.fixture
def train_with(tmp_path, monkeypatch):
  """Runs the stage with a script that is given an argument; gives its rows."""

  def run_stage(argument, script=TRAINING):
    def command(settings, workdir):
      return [sys.executable, '-c', script, str(workdir), str(argument)]

    monkeypatch.setattr(train, '_command', command)
    training = Training(config='configs/a_run.py:tiny', minutes=1.0)
    settings = dataclasses.replace(settings_of(tmp_path), training=training)
    return list(train.rows(settings))

  return run_stage


# As `acm_jax.train` ends by itself, and after a signal.
@pytest.mark.parametrize('code', [0, 130])
def test_training_leaves_its_last_metrics_and_its_folder(
  train_with, tmp_path, code
):
  (row,) = train_with(code)
  assert row['step'] == 6
  assert row['pieces'] == 1
  pieces.join(tmp_path / 'a_run.pieces.json', tmp_path / 'joined')
  assert list(contents(tmp_path / 'joined')) == ['metrics.jsonl']
  assert (tmp_path / 'metrics.jsonl').read_text().endswith('{"step": 6}\n')


def test_training_that_fails_says_why_and_leaves_its_folder(
  train_with, tmp_path
):
  with pytest.raises(RuntimeError, match='exit code 2: error: the last line'):
    train_with(2)
  pieces.join(tmp_path / 'a_run.pieces.json', tmp_path / 'joined')
  assert list(contents(tmp_path / 'joined')) == ['metrics.jsonl']


def test_training_leaves_every_checkpoint_while_it_goes_on(
  train_with, tmp_path, monkeypatch
):
  listed, kept, split = tmp_path / 'a_run.pieces.json', [], pieces.split

  def watched(*args, **kwargs):
    kept.append(None)
    if len(kept) == 1:
      raise FileNotFoundError('went while it was read')
    if len(kept) == 2:
      split(*args, **kwargs)
      pieces.join(listed, tmp_path / 'joined')
      return None
    return split(*args, **kwargs)

  monkeypatch.setattr(pieces, 'split', watched)
  monkeypatch.setattr(train, '_EVERY_SECONDS', 0.01)
  train_with(listed, CHECKPOINTS)
  # Once more after the failure, not again for the same checkpoint, at the end.
  assert len(kept) == 3
  assert list(contents(tmp_path / 'joined')) == ['checkpoints/4/weights']


def test_every_reference_network_has_a_config():
  assert set(parity.reference_names()) <= set(parity.CONFIGS)


@pytest.mark.parametrize('name', step.WANTED)
def test_every_step_that_is_timed_has_a_plan(name):
  config = importlib.import_module(f'configs.{name}').get_config().to_dict()
  for sizes, precision in step.WANTED[name]:
    made = plan.make_plan(config | {'precision': precision})
    # All that ever trains does in the last phase.
    params = jax.eval_shape(made.tracker.init_variables, jax.random.key(0))[
      'params'
    ]
    assert made.phases[-1].mode(params).trains(('backbone',))
    assert list(sizes) == sorted(sizes, reverse=True)


def test_the_peak_is_that_of_the_same_type_in_jax(tmp_path):
  rows = [
    {'device': 'a device'},
    {'type': 'bfloat16', 'form': 'torch', 'tflops': 7.0},
    {'type': 'bfloat16', 'form': 'jax', 'tflops': 8.0},
  ]
  settings = settings_of(tmp_path, earlier={'device': rows})
  assert device.peak(settings, 'bfloat16') == 8.0
  assert device.peak(settings, 'float32 (highest)') is None
  assert device.peak(settings_of(tmp_path), 'bfloat16') is None


def test_a_timing_on_an_accelerator_is_the_mean_of_calls_in_a_row(monkeypatch):
  monkeypatch.setattr(measure.jax, 'default_backend', lambda: 'gpu')
  clock = iter(range(10**6))
  monkeypatch.setattr(measure.time, 'perf_counter', lambda: next(clock) * 1e-3)
  monkeypatch.setattr(measure.time, 'sleep', lambda _: None)
  calls = []
  work = measure.Work({}, {'ours': lambda: calls.append(None)})
  (row,) = measure.measure([work], seconds=0.0)
  # One tick, 1 ms, a timing: the first call, then one call to see how many of
  # them last 5 ms, then three rounds of five.
  assert len(calls) == 1 + 1 + 3 * 5
  assert row['least_ms'] == pytest.approx(1 / 5)


class TestPyTorch:
  """The network and the step that ours is compared with."""

  @pytest.fixture(autouse=True)
  def torch(self):
    torch = pytest.importorskip('torch')
    # Threads of several test processes would wait for each other.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield torch
    torch.set_num_threads(threads)

  def test_outputs_equal_the_official_ones(self, torch):
    from benchmarks import pytorch

    weights = formulas.state_dict('siamban_acm_r50')
    network = pytorch.Network().eval()
    counters = network.load_state_dict(
      {key: torch.from_numpy(value) for key, value in weights.items()},
      strict=False,
    )
    assert not counters.unexpected_keys
    assert all('num_batches_tracked' in k for k in counters.missing_keys)
    figures = formulas.load('siamban_acm_r50')
    images = [
      torch.from_numpy(np.moveaxis(formulas.image(name, size), -1, 1).copy())
      for name, size in (('template', 127), ('search', 255))
    ]
    box_size = torch.from_numpy(figures['bbox'][:, 2:].astype(np.float32))
    with torch.no_grad():
      outputs = network(images[0], box_size, images[1])
    for name, output in zip(('cls', 'loc'), outputs, strict=True):
      # float32 against the float64 figures; measured 5e-7 on a CPU.
      tolerance = 1e-5 * np.abs(figures[name]).max()
      np.testing.assert_allclose(output, figures[name], rtol=0, atol=tolerance)

  def test_loss_equals_the_official_one(self, torch):
    from benchmarks import pytorch

    draw, shape = formulas.rng('loss'), (3, 25, 25)
    cls = draw.standard_normal((3, 2, 25, 25))
    loc = np.exp(draw.standard_normal((3, 4, 25, 25)) + 3)
    label = draw.integers(-1, 2, shape)
    distances = np.exp(draw.standard_normal((3, 4, 25, 25)) + 3)
    arrays = cls, loc, np.maximum(label, 0), distances, label >= 0
    loss = pytorch.loss(*map(torch.from_numpy, arrays))
    figures = formulas.load('losses_ban')
    expected = figures['cls_loss'] + figures['loc_loss']
    # Both are float64 but for the figures' own float32.
    np.testing.assert_allclose(float(loss), float(expected), rtol=1e-6)

  def test_a_step_trains_all_but_the_frozen_stages(self, torch):
    from benchmarks import pytorch

    made = []

    def network():
      made.append(pytorch.Network(channels=4, hidden=8))
      before.update(
        {k: v.clone() for k, v in made[0].state_dict().items()},
      )
      return made[0]

    before = {}
    step = pytorch.Form(frozen=2, network=network)(batch.fake(2, 127, 255))
    step().block_until_ready()
    after = made[0].state_dict()
    same = {key for key in after if torch.equal(after[key], before[key])}
    frozen = ('backbone.conv1.', 'backbone.bn1.', 'backbone.layer1.')
    # SGD changes every weight, if by its decay alone; zeros stay zeros.
    still = {k for k in same if not k.startswith(frozen) and before[k].any()}
    assert not still
    assert {key for key in after if key.startswith(frozen)} <= same

  def test_its_step_is_timed_beside_ours(self, monkeypatch):
    timed = {}

    def steps(name, make, batch_size, others):
      timed[name] = list(others)
      return []

    monkeypatch.setattr(run.steps, 'steps', steps)
    against = Path(accelerator.__file__).with_name('pytorch.py')
    request = run.Request('step', 2, ('siamban acm', 'siamfc xcorr'), against)
    assert list(run.PARTS['step'](request)) == []
    assert timed == {
      'siamban acm': ['pytorch', 'pytorch bfloat16'],
      'siamfc xcorr': [],
    }


@pytest.mark.slow
def test_the_rehearsal_runs_every_stage(run_command, tmp_path):
  # On two idle cores it takes under three minutes; others may be at work.
  asked = '--rehearse', '--limit=900', f'--out={tmp_path}'
  code, _, errors = run_command(accelerator, *asked)
  stages = record.read(tmp_path / record.FILE)['stages']
  assert code == 0, errors
  assert list(stages) == list(accelerator.STAGES)
  assert all(stage['rows'] for stage in stages.values())
  for row in stages['parity']['rows']:
    # float32 against the float64 figures, as in the tests of the networks.
    assert row['highest'] < 1e-5
  pieces.join(tmp_path / 'siamban_acm.pieces.json', tmp_path / 'joined')
  config, _ = checkpoints.load_variables(tmp_path / 'joined')
  assert config['tracker']['fusion'] == 'acm'
  last = (tmp_path / 'metrics.jsonl').read_text().splitlines()[-1]
  assert json.loads(last)['step'] == stages['train']['rows'][0]['step']
