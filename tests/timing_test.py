"""Timing: all forms compute the same, and rows describe the timed work."""

import functools
import importlib.util
import json
import os
import re
import runpy
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from acm_jax import speed
from acm_jax.host import config_files
from acm_jax.modules import fusion
from acm_jax.modules.depthwise import depthwise_conv
from acm_jax.timing import inputs, loops, measure, operators, run, scene, steps
from acm_jax.timing.form import in_jax, normal
from acm_jax.timing.worker import Worker
from data_pipelines import synthetic_set
from tests.training import fakes

FORMS = Path(__file__).parents[1] / 'benchmarks' / 'forms.py'
INPUT_FORMS = FORMS.with_name('input_forms.py')
ORACLES = Path(__file__).with_name('oracles.py')
OTHERS = runpy.run_path(str(FORMS))['OTHERS']
NARROW = {'name': 'siamfc', 'fusion': 'xcorr', 'width': 1 / 16}
FUSIONS = [
  (name, other) for name in fusion.names() for other in OTHERS.get(name, {})
]


def assert_same(form, other, arrays, same=np.testing.assert_allclose):
  ours, theirs = form.gradient(*arrays)(), other.gradient(*arrays)()
  # Sums of up to 25 x 8 products, in a different order.
  check = functools.partial(same, rtol=1e-4, atol=1e-4)
  jax.tree.map(check, ours, theirs)


@pytest.mark.parametrize(('name', 'other'), FUSIONS, ids=str)
def test_other_forms_of_a_fusion_have_its_response_and_gradient(name, other):
  options = {'outputs': 3} if name == 'up_xcorr' else {}
  module = fusion.make(name, 8, 5, **options)
  template = normal((2, 5, 5, 8 * options.get('outputs', 1)))
  search = normal((2, 9, 9, 8))

  def ours(template, search):
    box_size = normal((2, 2))
    return module.apply({}, template, box_size, search)

  assert_same(in_jax(ours), OTHERS[name][other](**options), (template, search))


@pytest.mark.parametrize('dilation', [1, 2])
@pytest.mark.parametrize('stride', [1, 2])
def test_the_grouped_convolution_equals_the_depthwise_convolution(
  stride, dilation
):
  settings = {'stride': stride, 'padding': 1, 'dilation': dilation}
  ours = in_jax(functools.partial(depthwise_conv, **settings))
  other = OTHERS['depthwise_conv']['grouped'](**settings)
  assert_same(ours, other, (normal((2, 11, 10, 4)), normal((3, 3, 1, 4))))


@pytest.mark.parametrize('name', ['xla', 'patches'])
@pytest.mark.parametrize(
  ('size', 'stride', 'padding', 'dilation'),
  [(1, 2, 0, 1), (3, 1, 2, 2), (5, 2, 0, 1)],
)
def test_other_forms_of_a_convolution_equal_ours(
  name, size, stride, padding, dilation
):
  grid = {'stride': stride, 'padding': padding, 'dilation': dilation}
  ours = operators._convolution(**grid)
  other = OTHERS['conv'][name](**grid)
  arrays = normal((2, 19, 19, 32)), normal((size, size, 32, 4))
  # Winograd's transformations amplify rounding errors of values up to 100.
  same = functools.partial(np.testing.assert_allclose, rtol=0, atol=5e-3)
  same(ours.forward(*arrays)(), other.forward(*arrays)())
  jax.tree.map(same, ours.gradient(*arrays)(), other.gradient(*arrays)())


def test_depthwise_shapes_are_those_of_the_network():
  shapes = operators.depthwise_shapes()
  assert shapes[0] == (
    (127, 127, 44),
    {'stride': 1, 'padding': 1, 'dilation': 1},
  )
  assert shapes[-1][0] == (31, 31, 1344)
  assert shapes[-1][1]['dilation'] == 4
  assert len(shapes) == 8


def test_a_row_names_its_form_and_compares_it_with_the_first_form():
  forms = {'ours': lambda: 1, 'other': lambda: sum(range(10**5))}
  rows = measure.measure(
    [measure.Work({'operator': 'sum'}, forms)], seconds=0.0
  )
  assert [row['form'] for row in rows] == ['ours', 'other']
  assert rows[0]['ratio'] == 1 < rows[1]['ratio']
  assert rows[1]['rounds'] == measure.LEAST_ROUNDS
  assert rows[1]['least_ms'] <= rows[1]['median_ms']
  header, _, *lines = measure.table(rows).splitlines()
  assert header == '| operator | form | least_ms | median_ms | ratio |'
  assert len(lines) == 2


def test_steps_of_a_network_are_timed_next_to_other_implementations(
  monkeypatch,
):
  monkeypatch.setattr(measure, 'LEAST_ROUNDS', 1)
  sizes = []

  def other(size):
    sizes.append(size)
    return lambda: size

  others = {'train': {'other': other}, 'track': {'another': other}}
  works = (
    steps.train('siamfc', NARROW, 2, others),
    steps.track('siamfc', NARROW, others),
  )
  rows = measure.measure(works, seconds=0.0)
  assert [(row['step'], row['form']) for row in rows] == [
    *(('train', 'float32'), ('train', 'other')),
    *(('track', 'float32'), ('track', 'another')),
  ]
  assert sizes == [2, scene.FRAME]


def test_implementations_from_several_files_are_merged(tmp_path):
  files = tmp_path / 'one.py', tmp_path / 'two.py'
  files[0].write_text("OTHERS = {'xcorr': {'x': id}, 'conv': {'x': abs}}")
  files[1].write_text("OTHERS = {'conv': {'y': len}}")
  others = run.Request('step', 1, against=files).others
  assert others == {'xcorr': {'x': id}, 'conv': {'x': abs, 'y': len}}
  repeated = run.Request('step', 1, ('none',), (*files, files[0]))
  with pytest.raises(ValueError, match=r'one\.py: .* file defines x of xcorr'):
    list(run.PARTS['fusion'](repeated))


@pytest.mark.parametrize(
  ('key', 'nearest'),
  [
    ('dw_xcor', 'dw_xcorr'),
    ('siamban tracks', 'siamban track'),
    ('inputs', 'input'),
  ],
)
def test_an_implementation_of_something_unknown_is_refused(
  refuse, tmp_path, key, nearest
):
  file, out = tmp_path / 'mine.py', tmp_path / 'speed.json'
  file.write_text(f'OTHERS = {{"conv": {{}}, "{key}": {{"x": id}}}}')
  message = f'mine.py: no operator or step is called {key} (nearest: {nearest}'
  refuse(speed, f'--against={file}', f'--out={out}', message=message)


@pytest.mark.parametrize(
  'file', ['forms', 'input_forms', 'onnx_step', 'pytorch']
)
def test_every_implementation_of_the_benchmarks_is_of_something_known(
  file, monkeypatch, tmp_path
):
  for name in ('backbone', 'head'):
    (tmp_path / f'nanotrack_{name}.onnx').touch()
  monkeypatch.setenv('NANOTRACK_GRAPHS', str(tmp_path))
  assert run.Request('step', 1, against=(FORMS.with_stem(file),)).others


def test_onnxruntime_is_not_timed_without_its_graphs(
  refuse, monkeypatch, tmp_path
):
  monkeypatch.delenv('NANOTRACK_GRAPHS', raising=False)
  file = FORMS.with_name('onnx_step.py')
  flags = '--part=step', '--only=nanotrack', f'--against={file}'
  message = 'the environment variable NANOTRACK_GRAPHS is missing'
  refuse(speed, *flags, f'--out={tmp_path / "a.json"}', message=message)


def test_onnxruntime_is_not_timed_if_a_graph_is_missing(
  refuse, monkeypatch, tmp_path
):
  (tmp_path / 'nanotrack_backbone.onnx').touch()
  monkeypatch.setenv('NANOTRACK_GRAPHS', str(tmp_path))
  file = FORMS.with_name('onnx_step.py')
  flags = '--part=step', '--only=nanotrack', f'--against={file}'
  message = f'NANOTRACK_GRAPHS={tmp_path}: the folder has no nanotrack_head'
  refuse(speed, *flags, f'--out={tmp_path / "a.json"}', message=message)


def test_onnxruntime_is_timed_next_to_our_tracking_step(monkeypatch, tmp_path):
  for name in ('backbone', 'head'):
    (tmp_path / f'nanotrack_{name}.onnx').touch()
  monkeypatch.setenv('NANOTRACK_GRAPHS', str(tmp_path))
  monkeypatch.setattr(importlib.util, 'find_spec', lambda name: True)
  timed = {}

  def record(name, section, others):
    timed[name] = {step: list(forms) for step, forms in others.items()}

  monkeypatch.setattr(run.steps, 'track', record)
  file = FORMS.with_name('onnx_step.py')
  request = run.Request('track', 2, ('nanotrack',), (file,))
  # One work for each network: no training step is timed.
  assert list(run.PARTS['track'](request)) == [None, None]
  none = {'train': [], 'track': []}
  assert timed == {
    'nanotrack': none | {'track': ['onnxruntime, 1 thread']},
    'nanotrack_acm': none,
  }


def test_bfloat16_is_timed_on_accelerators_only(monkeypatch):
  monkeypatch.setattr(steps.jax, 'default_backend', lambda: 'gpu')
  work = steps.train('siamfc', NARROW, 2, {})
  assert list(work.forms) == ['float32', 'bfloat16']


@pytest.mark.parametrize('name', run.NETWORKS)
def test_every_network_has_a_config(name):
  section = config_files.load(name)['tracker']
  tracker = steps.tracker_of(section, 'bfloat16')
  assert tracker.dtype == 'bfloat16'
  assert tracker.search_size == section['search_size']


# Answers an eighth of a second per call, and describes the process.
PROCESS = """
import os, sys
print(os.getpid(), os.environ['THREADS'], os.getcwd(), flush=True)
for line in sys.stdin:
  print(1 / 8, flush=True)
"""


PROCESS_OF_ONE_STEP = """
import sys
print('note', flush=True)
for line in sys.stdin:
  print(0.1, flush=True)
"""


def test_a_process_times_its_own_calls(tmp_path):
  command = [sys.executable, '-c', PROCESS]
  worker = Worker(command, {'THREADS': '3'}, tmp_path)
  forms = {'ours': lambda: 1, 'other': worker}
  rows = measure.measure([measure.Work({}, forms)], seconds=0.0)
  assert [row['form'] for row in rows] == ['ours', 'other']
  assert rows[0]['note'] == ''
  assert rows[1]['least_ms'] == rows[1]['median_ms'] == 125
  number, threads, folder = rows[1]['note'].split()
  assert (threads, Path(folder).resolve()) == ('3', tmp_path.resolve())
  assert int(number) != os.getpid()
  # The process has ended with the work.
  with pytest.raises(ProcessLookupError):
    os.kill(int(number), 0)
  header = measure.table(rows).splitlines()[0]
  assert header == '| form | least_ms | median_ms | ratio | note |'


@pytest.mark.parametrize(
  'program',
  [
    'raise ValueError("broken")',
    'print("ready", flush=True); input(); raise ValueError("broken")',
  ],
)
def test_a_process_that_dies_is_reported_with_its_last_message(program):
  worker = Worker([sys.executable, '-c', program])
  message = 'exit code 1: ValueError: broken; to see all its messages, run .*-c'
  work = measure.Work({}, {'ours': lambda: 1, 'other': worker})
  with pytest.raises(RuntimeError, match=message):
    measure.measure([work], seconds=0.0)


def test_the_command_writes_rows_and_prints_them(
  run_command, monkeypatch, tmp_path
):
  small = functools.partial(operators.fusions, features=8, search_cells=9)
  monkeypatch.setattr(run.operators, 'fusions', small)
  monkeypatch.setattr(measure, 'MOST_ROUNDS', 3)
  out = tmp_path / 'deep' / 'speed.json'
  code, printed, errors = run_command(
    speed,
    *('--part=fusion', '--only=xcorr', '--batch_size=1'),
    *(f'--against={FORMS}', f'--out={out}'),
  )
  assert code == 0, errors
  report = json.loads(out.read_text())
  kinds = {(r['type'], r['pass'], r['form']) for r in report['rows']}
  assert len(report['rows']) == len(kinds) == 8
  assert report['batch_size'] == 1
  assert len([line for line in printed if line.startswith('| xcorr')]) == 8


@pytest.mark.parametrize(
  ('flag', 'message'),
  [
    ('--against=nowhere.py', '--against=nowhere.py: no such file'),
    (f'--against={ORACLES}', 'defines no OTHERS'),
    ('--only=pool', '--only=pool: no operator or network has'),
    ('--part=fusions', 'fusions'),
    ('--batch_size=0', 'batch_size'),
  ],
)
def test_a_bad_argument_is_refused(refuse, tmp_path, flag, message):
  out = tmp_path / 'speed.json'
  refuse(speed, flag, f'--out={out}', message=message)
  assert not out.exists()


def test_the_input_is_not_timed_if_only_others_are_requested(refuse, tmp_path):
  flags = '--part=input', '--only=xcorr', f'--out={tmp_path / "speed.json"}'
  refuse(speed, *flags, message='--only=xcorr: no operator or network has')


def test_every_form_of_the_input_is_timed_on_the_same_pairs(
  monkeypatch, tmp_path
):
  monkeypatch.setattr(measure, 'LEAST_ROUNDS', 1)
  clips = synthetic_set.ensure(
    tmp_path / 'clips', sequences=2, frames=4, size=(60, 80), seed=0
  )
  request = run.Request('input', 4, against=(INPUT_FORMS,), clips=clips)
  works = list(inputs.inputs(clips, request.others['input'], 4, steps=2))
  assert [form() for form in works[0].forms.values()] == [8, 8, 8]
  (row, *_) = measure.measure(works, seconds=0.0)
  assert (row['pairs'], row['form']) == ('8', 'ours')


@pytest.mark.slow
def test_the_loop_is_timed_next_to_the_step_alone(monkeypatch, tmp_path):
  monkeypatch.setattr(measure, 'LEAST_ROUNDS', 1)
  clips = synthetic_set.ensure(
    tmp_path / 'clips', sequences=2, frames=4, size=(60, 80), seed=0
  )
  # Steps on the eight devices of the tests would have to wait for each other.
  mesh = fakes.one_device()
  monkeypatch.setattr(loops.sharding, 'make_mesh', lambda _: mesh)
  monkeypatch.setattr(loops.peak, 'peak', lambda *_: 1e9)
  sections = config_files.load('siamban_acm:quickstart,tiny')
  other = Worker([sys.executable, '-c', PROCESS_OF_ONE_STEP])
  works = loops.loops('tiny', sections, clips, 8, {'other': lambda _: other})
  (step, loop, third) = measure.measure(works, seconds=0.0)
  forms = [row['form'] for row in (step, loop, third)]
  assert forms == ['step', 'loop', 'other']
  assert step['of'] == loop['of'] == '8 pairs'
  assert third['least_ms'] == 100
  # Calls after the first do not compile, and a call takes ten steps.
  assert 10 * loop['median_ms'] < 1e3 * loop['compile_s']
  gflop, share = re.fullmatch(
    r'(\d+\.\d) GFLOP, (\d+)% of the measured 1 GFLOP/s', step['note']
  ).groups()
  seconds = step['least_ms'] / 1e3
  # The numbers in the note are rounded.
  assert float(share) / 100 == pytest.approx(float(gflop) / seconds, rel=0.1)
  rate, waiting, logging = re.fullmatch(
    r'([\d.]+) pairs/s; of the time, ([\d.]+)% waiting for batches, '
    r'([\d.]+)% logging',
    loop['note'],
  ).groups()
  assert float(rate) == pytest.approx(8e3 / loop['least_ms'], rel=0.5)
  assert 0 <= float(waiting) + float(logging) < 100


@pytest.mark.parametrize('part', ['input', 'train'])
def test_timing_without_clips_is_refused(refuse, tmp_path, part):
  out = tmp_path / 'speed.json'
  refuse(speed, f'--part={part}', f'--out={out}', message='--clips is missing')
