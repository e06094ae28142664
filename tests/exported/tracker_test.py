"""Tests of tracking with exported trackers, with graphs made of NumPy."""

import dataclasses
import json

import numpy as np
import pytest

from acm_jax.exported import contract as contracts
from acm_jax.exported import tracker as tracker_module
from acm_jax.exported.contract import Array, Contract, Graph
from acm_jax.exported.tracker import ExportedTracker, load

IMAGE = np.full((48, 64, 3), 7, np.uint8)
BOX = np.array([20, 10, 12, 16], np.float32)
KERNEL = np.arange(4, dtype=np.float32)


def arrays(*names):
  return {name: Array((1,), 'float32') for name in names}


CONTRACT = Contract(
  format='onnx',
  name='fake',
  template_size=15,
  search_size=31,
  search_scales=(1.0,),
  context_amount=0.5,
  pixel_shift=0.0,
  smallest_side=10.0,
  graphs={
    'template': Graph(
      'template.onnx',
      '',
      arrays('template', 'box'),
      arrays('kernel', 'state', 'squares'),
    ),
    'search': Graph(
      'search.onnx',
      '',
      arrays('search', 'state', 'frame_size', 'kernel'),
      arrays('box', 'score', 'margin', 'lost', 'next_state', 'squares'),
    ),
  },
  about={},
)


class Graphs:
  """Graphs of a tracker whose target moves by 1 px to the right per frame."""

  def __init__(self):
    self.searched = []

  def template(self, inputs):
    assert inputs['template'].shape == (1, 15, 15, 3)
    x, y, w, h = inputs['box']
    return {
      'kernel': KERNEL,
      'state': np.array([x, y, w, h, 0], np.float32),
      'squares': np.array([[3, 4, 20]], np.int32),
    }

  def search(self, inputs):
    self.searched.append(inputs)
    state = inputs['state'] + np.array([1, 0, 0, 0, 0], np.float32)
    return {
      'box': state[:4],
      'score': np.float32(0.75),
      'margin': np.float32(0.25),
      'lost': np.bool_(False),
      'next_state': state,
      'squares': np.array([[5, 6, 22]], np.int32),
    }


@pytest.fixture
def graphs():
  return Graphs()


@pytest.fixture
def tracker(graphs):
  return ExportedTracker(CONTRACT, graphs.template, graphs.search)


def test_state_kernel_and_squares_are_carried_from_frame_to_frame(
  tracker, graphs
):
  image = np.zeros((48, 64, 3), np.uint8)
  # The only bright pixel is the first one of the second square.
  image[6, 5] = 200
  tracker.init(IMAGE, BOX)
  first, second = tracker.update(image), tracker.update(image)
  assert first.box.tolist() == [21, 10, 12, 16]
  assert second.box.tolist() == [22, 10, 12, 16]
  assert second[1:] == (0.75, False, 0.25)
  one, two = graphs.searched
  for inputs in (one, two):
    assert inputs['search'].shape == (1, 31, 31, 3)
    assert inputs['frame_size'].tolist() == [48, 64]
    np.testing.assert_array_equal(inputs['kernel'], KERNEL)
  assert one['search'][0, 0, 0, 0] == 0 < two['search'][0, 0, 0, 0]


def test_targets_are_tracked_independently_of_each_other(tracker):
  boxes = np.stack([BOX, BOX + 5])
  results = list(tracker.track(iter([IMAGE] * 3), boxes))
  assert [len(each) for each in results] == [2, 2, 2]
  assert [each.score for each in results[0]] == [1, 1]
  last = [each.box.tolist() for each in results[-1]]
  assert last == [[22, 10, 12, 16], [27, 15, 17, 21]]


def test_an_update_needs_a_target(tracker):
  with pytest.raises(RuntimeError, match=r'no target; call init\(image, box\)'):
    tracker.update(IMAGE)
  tracker.init(IMAGE, BOX)
  with pytest.raises(ValueError, match='lies outside the frame'):
    tracker.init(IMAGE, BOX + 100)
  with pytest.raises(RuntimeError, match='no target'):
    tracker.update(IMAGE)


@pytest.mark.parametrize(
  ('frames', 'boxes', 'message'),
  [
    ([], [BOX], 'the video has no frames'),
    ([IMAGE, IMAGE[..., :2]], [BOX], r'frame 1 \(counted from 0\): the image'),
    ([IMAGE], BOX, r'boxes have the shape \[4\]'),
    ([IMAGE], [BOX[:3]], 'is not four numbers'),
  ],
)
def test_invalid_videos_and_boxes_are_refused(tracker, frames, boxes, message):
  with pytest.raises(ValueError, match=message):
    list(tracker.track(frames, boxes))


def test_a_small_first_box_is_warned_of(tracker, caplog):
  tracker.init(IMAGE, [20, 10, 4, 4])
  assert 'the first box is 4 x 4 px' in caplog.text


@pytest.fixture
def folder(tmp_path, monkeypatch):
  """Writes an export whose graphs are those of `Graphs`."""
  graphs = Graphs()
  described = {}
  for name, graph in CONTRACT.graphs.items():
    path = tmp_path / graph.file
    path.write_text(name)
    described[name] = dataclasses.replace(
      graph, sha256=contracts.checksum(path)
    )
  contract = dataclasses.replace(CONTRACT, graphs=described)
  contracts.write(tmp_path, contract)
  assert contracts.read(tmp_path) == contract
  runtimes = {'onnx': lambda path: getattr(graphs, path.stem), 'tflite': None}
  monkeypatch.setattr(tracker_module, 'RUNTIMES', runtimes)
  return tmp_path


def test_a_loaded_export_tracks(folder):
  tracker = load(folder, 'onnx')
  tracker.init(IMAGE, BOX)
  assert tracker.update(IMAGE).box.tolist() == [21, 10, 12, 16]


def change(folder, **changes):
  path = folder / contracts.FILE
  path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def graphs_of(folder):
  return json.loads((folder / contracts.FILE).read_text())['graphs']


def swap(folder):
  found = graphs_of(folder)
  search, template = found['search'], found['template']
  change(folder, graphs={'template': search, 'search': template})


def swap_files(folder):
  found = graphs_of(folder)
  for key in ('file', 'sha256'):
    one, other = found['template'][key], found['search'][key]
    found['template'][key], found['search'][key] = other, one
  change(folder, graphs=found)


def without_state(folder):
  found = graphs_of(folder)
  del found['search']['outputs']['next_state']
  change(folder, graphs=found)


@pytest.mark.parametrize(
  ('damage', 'message'),
  [
    (lambda f: (f / 'search.onnx').write_text('!'), 'wrong checksum'),
    (
      lambda f: (f / 'tracker.json').write_text('{'),
      'json: not a contract of version 1',
    ),
    (
      lambda f: (f / 'tracker.json').write_text('[]'),
      'json: not a contract of version 1',
    ),
    (lambda f: change(f, version=2), r'of version 1 \(version is 2\)'),
    (lambda f: change(f, colors='BGR'), "colors is 'BGR'"),
    (lambda f: change(f, unknown=2), 'json: not a contract of version 1'),
    (lambda f: change(f, graphs={}), r'\(the graphs are \[\]\)'),
    (lambda f: change(f, graphs=3), 'json: not a contract of version 1'),
    (lambda f: change(f, format=['onnx']), r"format is \['onnx'\]"),
    (lambda f: change(f, format='mlir'), r"format is 'mlir'"),
    (lambda f: change(f, template_size='127'), r"template_size is '127'"),
    (lambda f: change(f, pixel_shift=None), r'pixel_shift is None'),
    (swap, r'the graph template has the arrays'),
    (swap_files, r"file of the graph template is 'search.onnx'"),
    (without_state, r'the graph search has the arrays'),
  ],
)
def test_a_damaged_export_is_refused(folder, damage, message):
  damage(folder)
  with pytest.raises(ValueError, match=message):
    load(folder)


@pytest.mark.parametrize(
  ('name', 'message'),
  [
    ('search.onnx', 'search.onnx: is missing; export the tracker again'),
    ('tracker.json', 'has no tracker.json, so it is not an exported tracker'),
  ],
)
def test_a_missing_file_is_named(folder, name, message):
  (folder / name).unlink()
  with pytest.raises(FileNotFoundError, match=message):
    load(folder)


def test_an_export_of_another_format_than_expected_is_refused(
  folder, monkeypatch
):
  with monkeypatch.context() as patch:
    patch.setattr(tracker_module, 'RUNTIMES', {})
    with pytest.raises(ValueError, match='as onnx, which no runtime here loa'):
      load(folder)
  with pytest.raises(ValueError, match='was exported as onnx, not as tflite'):
    load(folder, 'tflite')
  with pytest.raises(FileNotFoundError, match='no such folder'):
    load(folder / 'missing')
