"""Trackers in NumPy have the boxes and crops of the official code."""

import numpy as np
import pytest

from benchmarks.numpy_trackers import (
  Anchors,
  BoxTracker,
  Hparams,
  Points,
  ScaleTracker,
)
from tests import formulas


def distances(rng):
  cls = 2 * rng.standard_normal((2, 625))
  return cls, 30 * np.exp(0.4 * rng.standard_normal((4, 625)))


def offsets(rng):
  cls = 2 * rng.standard_normal((2, 5 * 625))
  return cls, 0.2 * rng.standard_normal((4, 5 * 625))


@pytest.mark.parametrize('sequence', [0, 1, 2])
@pytest.mark.parametrize(
  ('name', 'candidates', 'outputs'),
  [('tracker_ban', Points, distances), ('tracker_rpn', Anchors, offsets)],
)
def test_boxes_equal_those_of_the_official_code(
  sequence, name, candidates, outputs
):
  reference = formulas.load(name)
  templates, crops = [], []

  def respond(crop):
    crops.append(crop)
    return outputs(formulas.rng(f'maps{sequence}:{len(crops)}'))

  tracker = BoxTracker(
    lambda *template: templates.append(template),
    respond,
    candidates(25, 8),
    255,
    Hparams(*reference['track_hparams']),
  )
  tracker.init(formulas.frame(0), reference[f'seq{sequence}_init_box'])
  boxes = [tracker.update(formulas.frame(i)) for i in range(1, 24)]
  # The official boxes are stored in float32.
  np.testing.assert_allclose(
    boxes, reference[f'seq{sequence}_boxes'], atol=1e-4
  )
  ((template, _),) = templates
  for ours, figure in (
    (template, 'template_crop'),
    (crops[0], 'search_crop1'),
    (crops[22], 'search_crop23'),
  ):
    official = reference[f'seq{sequence}_{figure}']
    # The colour outside of the frame may be rounded differently.
    difference = ours.astype(float)[..., ::-1] - official
    assert np.abs(difference).max() <= 1


def test_boxes_of_siamfc_equal_those_of_the_official_code():
  reference = formulas.load('tracker_siamfc')
  y, x = np.mgrid[:17, :17]
  number = 0

  def respond(crops):
    draw = formulas.rng(f'resp:{number}')
    bx, by = draw.uniform(5, 11, 2)
    peak = 8 * np.exp(-((x - bx) ** 2 + (y - by) ** 2) / 8)
    maps = [peak + 0.5 * draw.standard_normal((17, 17)) for _ in crops]
    return np.stack(maps).astype(np.float32)

  hparams = Hparams(-np.log(0.9745), 0.176, 0.59)
  tracker = ScaleTracker(lambda *_: None, respond, 17, 8, 255, hparams)
  # Official boxes are 1-based, ours are 0-based.
  offset = np.array([1.0, 1.0, 0.0, 0.0])
  tracker.init(formulas.frame(0), reference['init_box'] - offset)
  boxes = []
  for number in range(1, 24):
    boxes.append(tracker.update(formulas.frame(number)))
  # The responses are float32.
  np.testing.assert_allclose(boxes, reference['boxes'] - offset, atol=1e-3)
