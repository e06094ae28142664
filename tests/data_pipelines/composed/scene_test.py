"""Composed scenes: exact boxes in hard but fair surroundings."""

import cv2
import numpy as np
import pytest

from acm_jax.datasets import crops
from data_pipelines.composed import cast
from data_pipelines.composed.cast import Cast
from data_pipelines.composed.render import render
from tests.data_pipelines.composed.small_set import FRAMES, shown


def test_boxes_are_the_bounds_of_the_rendered_target(library, plans):
  for number, plan in enumerate(plans):
    t = number % FRAMES
    # Motion blur, which would soften the edges, is switched off.
    crop = render(library, plan._replace(shutter=0.0), t, 255)
    x, y, w, h = cv2.boundingRect((crop.coverage >= 128).astype(np.uint8))
    size = plan.box[t, 2:] * crops.scale_of(plan.box[t, 2:])
    found = np.array([x - 0.5, y - 0.5, x + w - 0.5, y + h - 0.5])
    expected = 127 + np.concatenate([-size, size]) / 2
    # Edges are off by up to half a pixel of the cutout, which is rendered at up
    # to twice its size, and half a pixel of the crop.
    assert np.abs(found - expected).max() < 1.5


def test_a_crop_shows_what_the_frame_shows(library, plans):
  for number, plan in enumerate(plans[:40]):
    t = number % FRAMES
    # Without blurs, whose lengths are rounded to whole pixels.
    plan = plan._replace(shutter=0.0, defocus=np.zeros(FRAMES))
    crop, frame = render(library, plan, t, 255), render(library, plan, t)
    assert frame.bgr.shape[1::-1] == tuple(plan.window[t, 2:])
    scale = crops.scale_of(plan.box[t, 2:])
    shift = 127 - scale * (plan.box[t, :2] - plan.window[t, :2])
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    cut, inside = (
      cv2.warpAffine(image, matrix, (255, 255))
      for image in (frame.bgr, np.full(frame.bgr.shape[:2], 255, np.uint8))
    )
    inside = cv2.erode(inside, np.ones((5, 5))) == 255
    difference = abs(cut.astype(float) - crop.bgr)[inside]
    # The frame is sampled twice, and the background of the crop moves by less
    # than a pixel.
    assert difference.mean() < 6


def test_a_target_from_a_video_changes_its_shape(library, plans):
  from_video = [
    plan
    for plan in plans
    if library.object_count[shown(library, plan.target)] > 1
  ]
  assert from_video
  assert all(len(set(p.target.cutout.tolist())) > 1 for p in from_video)


def test_most_targets_have_another_object_of_their_class_nearby(library, plans):
  near = []
  for plan in plans:
    hero = shown(library, plan.target)
    category = library.object_category[hero]
    if not category:
      continue
    others = [
      layer
      for layer in (*plan.behind, *plan.before)
      if layer.texture is None and shown(library, layer) != hero
      if library.object_category[shown(library, layer)] == category
    ]
    distances = [
      abs(layer.center - plan.box[:, :2]) / plan.box[:, 2:].max(axis=1)[:, None]
      for layer in others
    ]
    # The search region reaches two sides of the target in every direction.
    near.append(any(d.max(axis=1).min() < 2 for d in distances))
  assert len(near) > 30
  # One sequence in six has no such object, and some objects stay at a distance.
  assert np.mean(near) > 0.65


def test_no_other_layer_shows_the_target(library, plans):
  for plan in plans:
    hero = shown(library, plan.target)
    assert plan.photograph != library.object_home[hero]
    for layer in (*plan.behind, *plan.before):
      if layer.texture is None:
        assert shown(library, layer) != hero
      else:
        assert layer.texture.photograph != library.object_home[hero]


def test_at_most_half_of_a_target_is_hidden(library, plans):
  hidden = [
    render(library, plan, t, 255).hidden
    for plan in plans
    if plan.before
    for t in (0, 3)
  ]
  # Sums of coverage differ by rounding.
  assert max(hidden) <= 0.5 + 1e-9
  assert np.mean(np.array(hidden) > 0.05) > 0.2


def test_an_occluder_that_would_hide_too_much_is_left_out(library, plans):
  plan = next(plan for plan in plans if not plan.before)
  whole = render(library, plan, 0, 255)
  wall = plan.target._replace(matrix=plan.target.matrix.copy())
  covered = render(library, plan._replace(before=(wall,)), 0, 255)
  np.testing.assert_array_equal(whole.bgr, covered.bgr)
  assert covered.hidden == 0


def test_light_and_focus_change_photograph_and_layers_alike(library, plans):
  plan = next(plan for plan in plans if plan.behind)
  clear = plan._replace(
    light=np.ones((FRAMES, 3)), gamma=np.ones(FRAMES), defocus=np.zeros(FRAMES)
  )
  sharp = render(library, clear, 2, 255)
  plain = sharp.bgr
  dark = render(library, clear._replace(gamma=np.full(FRAMES, 2.0)), 2, 255)
  # Pixels are rounded to whole levels.
  np.testing.assert_allclose(dark.bgr, plain.astype(float) ** 2 / 255, atol=0.5)
  dim = render(library, clear._replace(light=np.full((FRAMES, 3), 0.5)), 2, 255)
  np.testing.assert_allclose(dim.bgr, plain / 2, atol=0.5)
  soft = render(library, clear._replace(defocus=np.ones(FRAMES)), 2, 255).bgr
  inside = cv2.erode(sharp.coverage, np.ones((3, 3)))
  for region in (inside == 255, inside == 0):
    before, after = (
      abs(cv2.Laplacian(image, cv2.CV_64F))[region].mean()
      for image in (plain, soft)
    )
    assert after < before


def test_frames_of_a_sequence_do_not_share_light_focus_or_coding(plans):
  for name in ('light', 'gamma', 'defocus', 'quality'):
    values = [np.reshape(getattr(p, name), (FRAMES, -1))[:, 0] for p in plans]
    first, second = np.array(values)[:, :2].T
    # Correlations of independent values vary; four standard deviations are
    # allowed.
    assert abs(np.corrcoef(first, second)[0, 1]) < 4 / len(plans) ** 0.5


def test_slim_targets_are_sampled_three_times_as_often(library):
  extent = np.array([np.ptp(hull, axis=0) for hull in library.hull])
  slim = extent.max(axis=1) > cast.SLIM * extent.min(axis=1)
  sampler, rng = Cast(library), np.random.default_rng(0)
  drawn = np.mean([slim[sampler.target(rng)] for _ in range(2000)])
  # With three times the weight, a fraction f becomes 3 f / (1 + 2 f).
  fraction = slim.mean()
  assert 0 < fraction < 0.5
  # The fraction is random; four standard deviations are allowed.
  assert drawn == pytest.approx(3 * fraction / (1 + 2 * fraction), abs=0.045)


def test_the_target_stays_in_the_picture(plans):
  for plan in plans:
    low = plan.box[:, :2] - plan.box[:, 2:] / 2
    high = plan.box[:, :2] + plan.box[:, 2:] / 2
    corner = plan.window[:, :2]
    # Positions differ by rounding.
    assert (low >= corner - 1e-6).all()
    assert (high <= corner + plan.window[:, 2:] + 1e-6).all()


def test_objects_of_unknown_class_do_not_form_a_class(library, monkeypatch):
  unknown = np.full(len(library.object_name), '')
  monkeypatch.setattr(library, 'object_category', unknown)
  sampler, rng = Cast(library), np.random.default_rng(0)
  distractors = {
    int(library.cutout_object[extra.cutout])
    for _ in range(200)
    for extra in sampler.roles(rng).distractors
  }
  assert distractors == set(range(len(unknown)))
