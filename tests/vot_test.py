"""The tracker that VOT's toolkit calls, and the registry it finds it by."""

import configparser
import importlib

import cv2
import numpy as np
import pytest

from acm_jax import vot
from acm_jax.tracking import video_tracker
from tests import formulas

BOX = (100.0, 80.0, 60.0, 40.0)


@pytest.fixture
def images(tmp_path):
  paths = []
  for number in range(5):
    path = tmp_path / f'{number:08d}.png'
    cv2.imwrite(str(path), formulas.frame(number)[..., ::-1])
    paths.append(str(path))
  return paths


def test_the_toolkit_is_given_the_boxes_of_the_tracker(
  tiny_run, tiny_model, images
):
  expected = video_tracker.follow(
    tiny_model, map(formulas.frame, range(5)), [BOX]
  )
  ours = vot.Tracker(str(tiny_run))
  # Twice: the toolkit starts one tracker in one sequence after the other.
  _, *expected = [found for (found,) in expected]
  boxes = [found.box_xywh for found in expected]
  scores = [found.score for found in expected]
  for _ in range(2):
    assert ours.init(images[0], (BOX, {})) == BOX
    found = [ours.update(image, []) for image in images[1:]]
    assert all(isinstance(value, float) for box, _ in found for value in box)
    np.testing.assert_allclose([box for box, _ in found], boxes, atol=1e-3)
    confidences = [more['confidence'] for _, more in found]
    np.testing.assert_allclose(confidences, scores, atol=1e-6)


def test_what_cannot_be_tracked_is_told(tiny_run, images):
  ours = vot.Tracker(str(tiny_run))
  with pytest.raises(ValueError, match='has no area'):
    ours.init(images[0], ((10.0, 10.0, 0.0, 5.0), {}))
  with pytest.raises(FileNotFoundError, match='nowhere'):
    ours.init('nowhere.png', (BOX, {}))


def test_the_registry_names_what_the_toolkit_makes(
  run_command, tiny_run, tmp_path
):
  argv = [f'--checkpoint={tiny_run}', f'--out={tmp_path}']
  code, out, errors = run_command(vot, *argv, '--hparams=penalty_k=0.1')
  assert code == 0, errors
  path = tmp_path / 'trackers.ini'
  assert f'tiny-penalty_k=0.1 in {path}' in out
  config = configparser.ConfigParser()
  config.read(path)
  entry = config['tiny-penalty_k=0.1']
  assert (entry['protocol'], entry['convert']) == ('python', 'rectangle')
  module, _, name = entry['command'].partition(':')
  made = getattr(importlib.import_module(module), name)
  arguments = {
    key.removeprefix('arg_'): value
    for key, value in entry.items()
    if key.startswith('arg_')
  }
  assert arguments == {'checkpoint': str(tiny_run), 'hparams': 'penalty_k=0.1'}
  assert made(**arguments)
  code, _, errors = run_command(vot, *argv)
  assert code == 2
  assert 'trackers.ini is there already' in errors[0]
