"""The public API: what it offers, and what importing it costs."""

import subprocess
import sys
import types

import numpy as np
import pytest

import acm_jax
from acm_jax import adapters
from acm_jax.tracking.video_tracker import Result
from tests import formulas

BOX = (100.0, 80.0, 60.0, 40.0)
ONE_BASED = np.array([1, 1, 0, 0])


def test_a_run_is_loaded_and_tracks(tiny_run):
  tracker = acm_jax.load(tiny_run)
  assert isinstance(tracker, acm_jax.VideoTracker)
  assert isinstance(tracker.model, acm_jax.Model)
  tracker.init(formulas.frame(0), BOX)
  result = tracker.update(formulas.frame(1))
  assert isinstance(result, acm_jax.Result)
  followed = list(tracker.track([formulas.frame(i) for i in range(2)], [BOX]))
  np.testing.assert_array_equal(followed[1][0].box, result.box)


def test_hyperparameters_are_changed_by_name(tiny_run):
  tracker = acm_jax.load(tiny_run, hparams='penalty_k=0.25')
  assert tracker.model.hparams.penalty_k == 0.25
  same = acm_jax.load(tiny_run, hparams={'penalty_k': 0.25}).model
  assert same.about() == tracker.model.about()
  assert same.name == tracker.model.name
  assert tracker.model.name == 'tiny-penalty_k=0.25'


def test_a_checkpoint_that_is_not_there_is_named(tmp_path, tiny_run):
  with pytest.raises(FileNotFoundError, match='nowhere: no such folder'):
    acm_jax.load(tmp_path / 'nowhere')
  with pytest.raises(ValueError, match='no step 7'):
    acm_jax.load(f'{tiny_run}@7')


def test_every_public_name_is_there_and_no_other():
  assert set(acm_jax.__all__) <= set(dir(acm_jax))
  for name in acm_jax.__all__:
    assert getattr(acm_jax, name).__doc__
  with pytest.raises(AttributeError, match="no attribute 'Detector'"):
    acm_jax.Detector  # noqa: B018


def fresh(code):
  """What code prints in an interpreter of its own."""
  ran = subprocess.run(
    [sys.executable, '-c', code], capture_output=True, text=True, check=True
  )
  return ran.stdout.strip()


@pytest.mark.parametrize('module', ['acm_jax', 'acm_jax.score'])
def test_what_needs_no_network_imports_no_framework(module):
  slow = 'jax', 'flax', 'optax', 'tensorflow', 'torch'
  code = f'import sys, {module}; print(sorted({set(slow)} & {{*sys.modules}}))'
  assert fresh(code) == '[]'


def test_the_adapters_come_with_the_package():
  code = 'import acm_jax; print(acm_jax.adapters.got10k.__name__)'
  assert fresh(code) == 'got10k'


class ToolkitTracker:
  """The base class of got10k.trackers, as its toolkit documents it."""

  def __init__(self, name, is_deterministic=False):
    self.name, self.is_deterministic = name, is_deterministic


@pytest.fixture
def toolkit(monkeypatch):
  package, trackers = types.ModuleType('got10k'), types.ModuleType('trackers')
  trackers.Tracker = ToolkitTracker
  monkeypatch.setitem(sys.modules, 'got10k', package)
  monkeypatch.setitem(sys.modules, 'got10k.trackers', trackers)


@pytest.mark.usefixtures('toolkit')
def test_the_toolkit_of_got10k_gets_boxes_in_its_pixel_base(tiny_run):
  image = pytest.importorskip('PIL.Image')
  tracker = acm_jax.load(tiny_run)
  adapter = adapters.got10k(tracker)
  assert (adapter.name, adapter.is_deterministic) == ('tiny', True)
  images = [image.fromarray(formulas.frame(i)) for i in range(2)]
  adapter.init(images[0], np.array(BOX) + ONE_BASED)
  box = adapter.update(images[1])
  tracker.init(formulas.frame(0), BOX)
  expected = tracker.update(formulas.frame(1)).box
  np.testing.assert_allclose(box, expected + ONE_BASED)


def test_detections_are_corners_of_the_targets_that_are_not_lost():
  box = np.array([10, 20, 30, 40], np.float32)
  results = [
    Result(box, 0.9, False, 0.5),
    Result(box, 0.1, True, 0.0),
    Result(box + 1, 0.8, False, 0.4),
  ]
  found = adapters.detections(results)
  np.testing.assert_array_equal(
    found['xyxy'], [[10, 20, 40, 60], [11, 21, 42, 62]]
  )
  np.testing.assert_allclose(found['confidence'], [0.9, 0.8])
  assert found['tracker_id'].tolist() == [0, 2]
  assert found['class_id'].tolist() == [0, 0]
  assert adapters.detections(results[1:2])['xyxy'].shape == (0, 4)
