"""Tests of the public API, and of the modules that importing it loads."""

import subprocess
import sys
import types

import numpy as np
import pytest

import acm_jax
from acm_jax import adapters
from acm_jax.tracking.result import Result
from tests import formulas

BOX = (100.0, 80.0, 60.0, 40.0)
ONE_BASED = np.array([1, 1, 0, 0])


def test_a_run_can_be_loaded_and_tracks(tiny_run):
  tracker = acm_jax.load(tiny_run)
  assert isinstance(tracker, acm_jax.VideoTracker)
  assert isinstance(tracker.model, acm_jax.Model)
  tracker.init(formulas.frame(0), BOX)
  result = tracker.update(formulas.frame(1))
  assert isinstance(result, acm_jax.Result)
  followed = list(tracker.track([formulas.frame(i) for i in range(2)], [BOX]))
  np.testing.assert_array_equal(followed[1][0].box, result.box)


def test_hyper_parameters_can_be_changed_by_name(tiny_run):
  tracker = acm_jax.load(tiny_run, hparams='penalty_k=0.25')
  assert tracker.model.hparams.penalty_k == 0.25
  same = acm_jax.load(tiny_run, hparams={'penalty_k': 0.25}).model
  assert same.about() == tracker.model.about()
  assert same.name == tracker.model.name
  assert tracker.model.name == 'tiny-penalty_k=0.25'


def test_a_missing_checkpoint_is_named(tmp_path, tiny_run):
  with pytest.raises(FileNotFoundError, match='nowhere: no such folder'):
    acm_jax.load(tmp_path / 'nowhere')
  with pytest.raises(ValueError, match='no step 7'):
    acm_jax.load(f'{tiny_run}@7')


def test_values_of_a_config_can_be_changed_but_keys_cannot_be_added():
  config = acm_jax.load_config('siamban_acm:quickstart,tiny')
  config.train.epochs = 7
  assert config.to_dict()['train']['epochs'] == 7
  with pytest.raises(AttributeError, match='epoch'):
    config.train.epoch = 7


def test_all_public_names_exist_and_have_docstrings():
  assert set(acm_jax.__all__) <= set(dir(acm_jax))
  for name in acm_jax.__all__:
    assert getattr(acm_jax, name).__doc__
  with pytest.raises(AttributeError, match="no attribute 'Detector'"):
    acm_jax.Detector  # noqa: B018


def output_of(code):
  """Runs code in a new interpreter, and returns what it prints."""
  ran = subprocess.run(
    [sys.executable, '-c', code], capture_output=True, text=True, check=True
  )
  return ran.stdout.strip()


@pytest.mark.parametrize('module', ['acm_jax', 'acm_jax.score'])
def test_modules_without_networks_import_no_framework(module):
  slow = 'jax', 'flax', 'optax', 'tensorflow', 'torch'
  code = f'import sys, {module}; print(sorted({set(slow)} & {{*sys.modules}}))'
  assert output_of(code) == '[]'


def test_the_adapters_are_imported_on_access():
  code = 'import acm_jax; print(acm_jax.adapters.got10k.__name__)'
  assert output_of(code) == 'got10k'


class ToolkitTracker:
  """Stand-in for got10k.trackers.Tracker, following its documentation."""

  def __init__(self, name, is_deterministic=False):
    self.name, self.is_deterministic = name, is_deterministic


@pytest.fixture
def toolkit(monkeypatch):
  """Installs a stand-in for the package got10k."""
  package, trackers = types.ModuleType('got10k'), types.ModuleType('trackers')
  trackers.Tracker = ToolkitTracker
  monkeypatch.setitem(sys.modules, 'got10k', package)
  monkeypatch.setitem(sys.modules, 'got10k.trackers', trackers)


@pytest.mark.usefixtures('toolkit')
def test_the_got10k_adapter_counts_pixels_from_1(tiny_run):
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


@pytest.mark.usefixtures('toolkit')
def test_the_got10k_adapter_stretches_images_of_16_bits(tiny_run):
  image = pytest.importorskip('PIL.Image')
  tracker = acm_jax.load(tiny_run)
  adapter = adapters.got10k(tracker)
  grey = formulas.frame(0)[..., 0]
  grey = np.where(grey == grey.min(), 0, grey)
  grey = np.where(grey == grey.max(), 255, grey).astype(np.uint8)
  deep = image.fromarray(grey.astype(np.uint16) * 9 + 3000)
  adapter.init(deep, np.array(BOX) + ONE_BASED)
  box = adapter.update(deep)
  rgb = grey[..., None].repeat(3, 2)
  tracker.init(rgb, BOX)
  np.testing.assert_allclose(box, tracker.update(rgb).box + ONE_BASED)


def test_detections_are_the_corners_of_targets_that_are_not_lost():
  box = np.array([10, 20, 30, 40], np.float32)
  results = [
    Result(box, 0.9, False, 0.5),
    Result(box, 0.1, True, 0.0),
    Result(box + 1, 0.8, False, 0.4),
  ]
  detections = adapters.detections(results)
  np.testing.assert_array_equal(
    detections['xyxy'], [[10, 20, 40, 60], [11, 21, 42, 62]]
  )
  np.testing.assert_allclose(detections['confidence'], [0.9, 0.8])
  assert detections['tracker_id'].tolist() == [0, 2]
  assert detections['class_id'].tolist() == [0, 0]
  assert adapters.detections(results[1:2])['xyxy'].shape == (0, 4)
