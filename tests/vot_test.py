"""Tests of the tracker for VOT's toolkit, and of trackers.ini."""

import configparser
import importlib

import cv2
import numpy as np
import pytest

import acm_jax
from acm_jax import vot
from acm_jax.tracking import video_tracker
from tests import formulas

BOX = (100.0, 80.0, 60.0, 40.0)


def test_deep_images_are_stretched_by_the_first_image_of_a_target(
  tiny_run, tmp_path
):
  grey = [formulas.frame(i)[..., 0] for i in range(3)]
  low, high = int(grey[0].min()), int(grey[0].max())
  paths, frames = [], []
  for number, frame in enumerate(grey):
    paths.append(str(tmp_path / f'{number}.png'))
    cv2.imwrite(paths[-1], frame.astype(np.uint16) * 9 + 3000)
    scaled = np.rint((frame.astype(float) - low) * 255 / (high - low))
    frames.append(np.uint8(np.clip(scaled, 0, 255))[..., None].repeat(3, 2))
  tracker = vot.Tracker(str(tiny_run))
  tracker.init(paths[0], (BOX, {}))
  plain = acm_jax.load(tiny_run)
  plain.init(frames[0], BOX)
  for path, frame in zip(paths[1:], frames[1:], strict=True):
    box, _ = tracker.update(path)
    np.testing.assert_array_equal(np.float32(box), plain.update(frame).box)


@pytest.fixture
def images(tmp_path):
  paths = []
  for number in range(5):
    path = tmp_path / f'{number:08d}.png'
    cv2.imwrite(str(path), formulas.frame(number)[..., ::-1])
    paths.append(str(path))
  return paths


def test_the_toolkit_receives_the_boxes_of_the_tracker(
  tiny_run, tiny_model, images
):
  frames = map(formulas.frame, range(5))
  _, *expected = (
    tracked for (tracked,) in video_tracker.follow(tiny_model, frames, [BOX])
  )
  expected_boxes = [tracked.box_xywh for tracked in expected]
  expected_scores = [tracked.score for tracked in expected]
  tracker = vot.Tracker(str(tiny_run))
  # Run twice, because the toolkit uses one tracker for several sequences.
  for _ in range(2):
    assert tracker.init(images[0], (BOX, {})) == BOX
    results = [tracker.update(image, []) for image in images[1:]]
    boxes = [box for box, _ in results]
    assert all(isinstance(value, float) for box in boxes for value in box)
    np.testing.assert_allclose(boxes, expected_boxes, atol=1e-3)
    scores = [properties['confidence'] for _, properties in results]
    np.testing.assert_allclose(scores, expected_scores, atol=1e-6)


def test_a_target_that_cannot_be_tracked_is_refused(tiny_run, images):
  tracker = vot.Tracker(str(tiny_run))
  with pytest.raises(ValueError, match='is less than a pixel'):
    tracker.init(images[0], ((10.0, 10.0, 0.0, 5.0), {}))
  with pytest.raises(FileNotFoundError, match='nowhere'):
    tracker.init('nowhere.png', (BOX, {}))


def test_the_toolkit_can_create_the_tracker_from_the_registry(
  run_command, tiny_run, tmp_path
):
  argv = [f'--checkpoint={tiny_run}', f'--out={tmp_path}']
  changes = {'hparams': 'penalty_k=0.1', 'smallest_side': '0.0'}
  given = [f'--{name}={value}' for name, value in changes.items()]
  code, out, errors = run_command(vot, *argv, *given)
  assert code == 0, errors
  path = tmp_path / 'trackers.ini'
  name = 'tiny-penalty_k=0.1-smallest_side=0'
  assert f'{name} registered in {path}' in out
  config = configparser.ConfigParser()
  config.read(path)
  entry = config[name]
  assert (entry['protocol'], entry['convert']) == ('python', 'rectangle')
  module, _, name = entry['command'].partition(':')
  create = getattr(importlib.import_module(module), name)
  arguments = {
    key.removeprefix('arg_'): value
    for key, value in entry.items()
    if key.startswith('arg_')
  }
  assert arguments == {'checkpoint': str(tiny_run), **changes}
  assert create(**arguments)
  code, _, errors = run_command(vot, *argv)
  assert code == 2
  assert 'trackers.ini: already exists' in errors[0]
