"""Tests of the commands that export graphs and track with them."""

import dataclasses
import functools
import importlib.util
import json
import math
import re
import subprocess
import sys
from pathlib import Path

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from acm_jax import export, exported, exporting, track
from acm_jax.exported import contract as contracts
from acm_jax.exporting import graphs
from acm_jax.exporting.verify import verify
from acm_jax.geometry import squares
from acm_jax.modules import plain
from acm_jax.tracking import loop, wide
from acm_jax.tracking.contract import Frame

# Format -> packages that convert to it and that run its graphs.
PACKAGES = {
  'onnx': ('jax2onnx', 'onnxruntime'),
  'tflite': ('tensorflow', 'ai_edge_litert'),
}
# Other processes, because what libraries write to stderr depends on the order
# in which they are loaded.
RUN = {'capture_output': True, 'text': True, 'check': False}


@pytest.fixture(scope='module')
def folder_of(tiny_run, tmp_path_factory):
  """Returns a function that exports the tiny tracker once, by the command."""

  @functools.cache
  def folder_of(kind):
    for package in PACKAGES[kind]:
      pytest.importorskip(package)
    out = tmp_path_factory.mktemp('exported') / f'tiny_{kind}'
    command = [sys.executable, '-m', 'acm_jax', 'export', f'--format={kind}']
    command += [f'--checkpoint={tiny_run}', f'--out={out}']
    ran = subprocess.run(command, **RUN)
    assert ran.returncode == 0, ran.stderr
    last = ran.stdout.splitlines()[-1]
    assert last.startswith(f'graphs ({kind}) written to ')
    return out

  return folder_of


@pytest.fixture
def onnx_folder(folder_of):
  return folder_of('onnx')


def test_an_onnx_file_has_the_names_and_shapes_of_its_contract(onnx_folder):
  import onnx

  contract = contracts.read(onnx_folder)
  for graph in contract.graphs.values():
    model = onnx.load(onnx_folder / graph.file)
    for entries, values in (
      (graph.inputs, model.graph.input),
      (graph.outputs, model.graph.output),
    ):
      assert [value.name for value in values] == list(entries)
      for value in values:
        kind = value.type.tensor_type
        shape = [axis.dim_value for axis in kind.shape.dim]
        assert shape == list(entries[value.name].shape)
        dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)
        assert dtype == entries[value.name].dtype
    (opset,) = model.opset_import
    assert opset.version == 21


def metadata_of(path):
  """Returns the text that a graph's file has under the name acm_jax."""
  if path.suffix == '.onnx':
    import onnx

    (entry,) = onnx.load(path).metadata_props
    assert entry.key == 'acm_jax'
    return entry.value
  from ai_edge_litert import schema_py_generated as schema

  model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
  (entry,) = (each for each in model.metadata if each.name == b'acm_jax')
  return bytes(model.buffers[entry.buffer].data).decode()


@pytest.mark.parametrize('kind', PACKAGES)
def test_a_file_that_is_moved_alone_still_says_what_it_is(folder_of, kind):
  folder = folder_of(kind)
  outside = json.loads((folder / contracts.FILE).read_text())
  for graph in contracts.read(folder).graphs.values():
    inside = json.loads(metadata_of(folder / graph.file))
    assert inside | {'graphs': None} == outside | {'graphs': None}


@pytest.mark.parametrize('box', [(30, 40, 50, 60), (3.7, -8.2, 11.5, 70.25)])
def test_the_contract_states_the_square_of_the_template_crop(onnx_folder, box):
  contract = contracts.read(onnx_folder)
  known = dict(zip('xywh', box, strict=True)) | vars(contract) | vars(math)
  exec(contract.template_square, known)
  center, side = squares.of_template(
    np.array(box), contract.context_amount, contract.pixel_shift
  )
  column, row = squares.corner(center, side)
  assert [known[name] for name in ('column', 'row', 'side')] == [
    column,
    row,
    side,
  ]


def test_the_search_graph_has_no_small_operations_for_taps(onnx_folder):
  import onnx

  model = onnx.load(onnx_folder / 'search.onnx')
  operations = [node.op_type for node in model.graph.node]
  assert operations.count('Conv') > 10
  assert operations.count('Slice') < 40


@pytest.mark.parametrize('kind', PACKAGES)
def test_track_in_another_runtime_writes_the_files_without_importing_jax(
  folder_of, sequences, tmp_path, kind
):
  argv = [
    'track',
    f'--runtime={kind}',
    f'--checkpoint={folder_of(kind)}',
    f'--video={sequences / "synthetic-0000" / "img"}',
    '--box=30,40,50,60',
    f'--out={tmp_path / "out"}',
  ]
  code = f"""
import sys
from acm_jax import __main__
code = __main__.main({argv!r})
print([name for name in ('jax', 'flax', 'tensorflow') if name in sys.modules])
sys.exit(code)
"""
  ran = subprocess.run([sys.executable, '-c', code], **RUN)
  assert ran.returncode == 0, ran.stderr
  assert ran.stdout.splitlines()[-1] == '[]'
  rows = (tmp_path / 'out' / 'boxes.csv').read_text().splitlines()
  assert len(rows) == 1 + 6
  assert ran.stderr == ''


def test_the_program_in_the_documentation_tracks(onnx_folder, sequences):
  page = Path(__file__).parents[2] / 'docs' / 'howto' / 'edge_devices.md'
  text = page.read_text(encoding='utf-8')
  blocks = re.findall(r'```python\n(.+?)```', text, re.DOTALL)
  (program,) = (block for block in blocks if 'import onnxruntime' in block)
  names = {}
  exec(program.replace('small_onnx', str(onnx_folder)), names)
  images = sorted((sequences / 'synthetic-0000' / 'img').iterdir())
  frames = [cv2.imread(str(path))[..., ::-1] for path in images]
  found = list(names['track'](iter(frames), (30, 40, 50, 60)))
  expected = exported.load(onnx_folder).track(frames, [[30, 40, 50, 60]])
  _, *expected = (result for (result,) in expected)
  assert len(found) == 5
  for (box, score), result in zip(found, expected, strict=True):
    # The same graphs, with equal crops.
    np.testing.assert_allclose(box, result.box, rtol=0, atol=1e-3)
    assert score == pytest.approx(result.score, abs=1e-5)


@pytest.mark.parametrize(
  ('flags', 'message'),
  [
    (['--runtime=tflite'], 'was exported as onnx, not as tflite'),
    ([], 'is an exported tracker; run it with `acm-jax track --runtime onnx`'),
    (['--runtime=onnx', '--hparams=size_lr=0.4'], '--hparams: is fixed in an'),
    (['--runtime=onnx', '--wide_search=never'], '--wide_search: is fixed in'),
  ],
)
def test_an_export_is_tracked_with_its_own_runtime_and_settings(
  refuse, onnx_folder, sequences, tmp_path, flags, message
):
  refuse(
    track,
    f'--checkpoint={onnx_folder}',
    f'--video={sequences / "synthetic-0000" / "img"}',
    '--box=30,40,50,60',
    f'--out={tmp_path / "out"}',
    *flags,
    message=message,
  )


def test_an_export_that_no_command_runs_is_named(
  refuse, tiny_model, sequences, tmp_path
):
  exporting.write(tmp_path, tiny_model, 'stablehlo')
  refuse(
    track,
    f'--checkpoint={tmp_path}',
    f'--video={sequences / "synthetic-0000" / "img"}',
    '--box=30,40,50,60',
    message='is an exported tracker; no command runs stablehlo; give the model,'
    ' or export it as onnx or tflite',
  )


@pytest.mark.parametrize(
  ('flags', 'message'),
  [
    (
      ['--format=onnx', '--wide_search=long_term'],
      'set --wide_search to never',
    ),
    (['--format=onnx', '--dtype=float32'], '--dtype: graphs are always in flo'),
    (['--hparams=size_lr=0.4'], '--hparams: a model keeps the settings of its'),
  ],
)
def test_flags_that_an_export_cannot_heed_are_refused(
  refuse, tmp_path, flags, message
):
  out = tmp_path / 'out'
  refuse(export, '--checkpoint=small', f'--out={out}', *flags, message=message)
  assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
  ('kind', 'extra'), [('onnx', 'export'), ('tflite', 'export-tflite')]
)
def test_a_missing_converter_is_named_with_its_extra(
  run_command, tmp_path, monkeypatch, kind, extra
):
  monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
  flags = '--checkpoint=small', f'--format={kind}', f'--out={tmp_path / "out"}'
  code, _, errors = run_command(export, *flags)
  assert code == 1
  assert errors[-1].endswith(f"pip install 'acm-jax[{extra}]'")
  assert not any(tmp_path.iterdir())


def in_jax(graph):
  """Returns a function that runs a graph before its conversion."""
  function = jax.jit(graph.function)

  def run(inputs):
    outputs = function(*inputs.values())
    return dict(zip(graph.outputs, outputs, strict=True))

  return run


def test_a_wrong_output_of_a_converted_graph_is_an_error(tiny_model):
  made = graphs.make(tiny_model)
  runs = {name: in_jax(graph) for name, graph in made.items()}
  verify(made, runs)

  def wrong(inputs):
    outputs = runs['search'](inputs)
    return outputs | {'box': outputs['box'] + 1}

  with pytest.raises(RuntimeError, match='box of the graph search: differs'):
    verify(made, {**runs, 'search': wrong})


def test_a_tracker_with_damaged_weights_is_not_exported(tiny_model, tmp_path):
  broken = jax.tree.map(lambda x: x * np.float32(np.nan), tiny_model.variables)
  model = dataclasses.replace(tiny_model, variables=broken)
  with pytest.raises(RuntimeError, match='is not finite, already before'):
    exporting.write(tmp_path, model, 'stablehlo')


def test_an_export_leaves_the_step_of_the_tracker_as_it_was(
  tiny_model, tmp_path
):
  tracker = tiny_model.tracker
  frame = Frame(jnp.zeros((90, 120, 3), jnp.uint8), jnp.array([90, 120]))

  def tracked(variables):
    state = loop.init(tracker, variables, frame, jnp.array([9.0, 9, 40, 30]))
    return loop.step(tracker, variables, tiny_model.hparams, state, frame)

  def program():
    # A new function, because traces of known functions are kept.
    return str(jax.make_jaxpr(lambda x: tracked(x))(tiny_model.variables))

  before = program()
  exporting.write(tmp_path, tiny_model, 'stablehlo')
  assert program() == before
  with plain.forms():
    assert program() != before


def test_graphs_compute_in_float32(tiny_model, tmp_path):
  half = dataclasses.replace(tiny_model.tracker, dtype='bfloat16')
  model = dataclasses.replace(tiny_model, tracker=half)
  exporting.write(tmp_path, model, 'stablehlo')
  inputs = contracts.read(tmp_path).graphs['search'].inputs
  kernels = [x.dtype for name, x in inputs.items() if name[:6] == 'kernel']
  assert set(kernels) == {'float32'}


@pytest.mark.parametrize('name', ['long_term', 'fast_motion'])
def test_a_tracker_with_a_wide_search_is_not_exported(tiny_model, name):
  tracker = dataclasses.replace(tiny_model.tracker, wide_search=wide.make(name))
  model = dataclasses.replace(tiny_model, tracker=tracker)
  with pytest.raises(ValueError, match='searches a larger region in some fram'):
    graphs.make(model)


def test_the_stablehlo_call_in_the_documentation_takes_arrays_by_name(
  tiny_model, tmp_path
):
  exporting.write(tmp_path, tiny_model, 'stablehlo')
  page = Path(__file__).parents[2] / 'docs' / 'export.md'
  text = page.read_text(encoding='utf-8')
  blocks = re.findall(r'```python\n(.+?)```', text, re.DOTALL)
  (program,) = (block for block in blocks if 'export.deserialize' in block)
  contract = contracts.read(tmp_path)
  zeros = {
    name: np.zeros(array.shape, array.dtype)
    for name, array in contract.graphs['search'].inputs.items()
  }
  crops, state = zeros.pop('search'), zeros.pop('state')
  names = {'crops': crops, 'state': state, 'others': zeros}
  exec(program.replace('siamban_acm_stablehlo', str(tmp_path)), names)
  assert {
    name: (array.shape, array.dtype) for name, array in names['outputs'].items()
  } == {
    name: (array.shape, array.dtype)
    for name, array in contract.graphs['search'].outputs.items()
  }
