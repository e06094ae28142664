"""Synthetic sequences are exact, reproducible and as hard as intended."""

import cv2
import numpy as np
import pytest

from acm_jax.datasets import layouts
from acm_jax.geometry import boxes
from acm_jax.host.staging import FullDiskError
from data_pipelines import synthetic, synthetic_scene
from data_pipelines.synthetic_textures import Textures

SIZE = (120, 160)


@pytest.fixture
def photographs(tmp_path):
  """Folder of three photographs."""
  rng = np.random.default_rng(0)
  for i in range(3):
    image = rng.integers(0, 256, (90, 130, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / f'{i}.png'), image)
  return tmp_path


@pytest.mark.parametrize('photos', [False, True], ids=['procedural', 'photos'])
def test_a_sequence_depends_only_on_its_seed(photographs, photos):
  textures = photographs if photos else None
  first, again, other = (
    synthetic.generate(seed, 4, SIZE, textures) for seed in ((1, 2), (1, 2), 3)
  )
  for a, b in zip(first, again, strict=True):
    np.testing.assert_array_equal(a, b)
  assert (first.frames != other.frames).any()
  assert first.frames.shape == (4, *SIZE, 3)


def test_boxes_are_the_bounds_of_the_target_only():
  for seed in range(4):
    rng = np.random.default_rng(seed)
    scene = synthetic_scene.Scene(rng, 12, SIZE, Textures())
    for t in range(12):
      _, box, _ = scene.render(t)
      canvas = np.zeros((*SIZE, 3), np.uint8)
      region, coverage = scene._paint(canvas, scene._target, t)
      mask = np.zeros(SIZE, bool)
      mask[region] = coverage >= 128
      ys, xs = np.nonzero(mask)
      low, high = (xs.min(), ys.min()), (xs.max() + 1, ys.max() + 1)
      np.testing.assert_array_equal(box, [*low, *np.subtract(high, low)])


def test_a_target_behind_an_obstacle_is_not_visible():
  rng = np.random.default_rng(0)
  scene = synthetic_scene.Scene(rng, 2, SIZE, Textures())
  scene._before = []
  _, box, visible = scene.render(0)
  assert visible
  scene._before = [scene._target]
  _, same_box, visible = scene.render(0)
  assert not visible
  np.testing.assert_array_equal(box, same_box)


def test_repeating_the_first_box_is_a_weak_baseline():
  overlaps, visible = [], []
  for seed in range(30):
    scene = synthetic_scene.Scene(
      np.random.default_rng(seed), 40, SIZE, Textures()
    )
    # Any frame can be rendered on its own; every fourth frame is enough.
    views = [scene.render(t) for t in range(0, 40, 4)]
    box_xywh = np.array([box for _, box, _ in views])
    shown = [shown for _, _, shown in views]
    assert shown[0]
    first, *later = boxes.xywh_to_xyxy(box_xywh)
    first = np.broadcast_to(first, np.shape(later))
    overlaps.append(np.nanmean(boxes.iou(np.array(later), first)))
    visible.append(np.mean(shown))
  assert 0.1 < np.mean(overlaps) < 0.25
  assert 0.85 < np.mean(visible) < 1


def test_large_obstacles_hide_the_target_but_not_in_the_first_frame():
  hidden = {}
  for hides in (0, 3):
    visible = np.stack(
      [
        [scene.render(t)[2] for t in range(0, 40, 4)]
        for scene in (
          synthetic_scene.Scene(
            np.random.default_rng(seed), 40, SIZE, Textures(), hides
          )
          for seed in range(12)
        )
      ]
    )
    assert visible[:, 0].all()
    hidden[hides] = 1 - visible.mean()
  assert hidden[3] > hidden[0] + 0.05


def test_the_command_writes_the_folder_layout(tmp_path, run_command, refuse):
  out = tmp_path / 'out'
  argv = ['--out', out, '--sequences', 2, '--frames', 3, '--seed', 7]
  assert run_command(synthetic, *argv)[0] == 0
  written = layouts.read('folder', out)
  video = synthetic.generate((7, 1), 3)
  assert [s.name for s in written] == ['synthetic-0000', 'synthetic-0001']
  np.testing.assert_allclose(written[1].box_xywh, video.box_xywh)
  np.testing.assert_array_equal(written[1].visible, video.visible)
  frame = written[1].frame(2)
  # JPEG changes a noisy image by up to 10 levels on average.
  assert abs(frame.astype(float) - video.frames[2]).mean() < 10
  refuse(synthetic, *argv, message='already exists')


@pytest.mark.parametrize(
  ('extra', 'message'),
  [
    (['--frames', '0'], '--frames=0: must be at least 1'),
    (['--hides', '-1'], '--hides=-1: must be at least 0'),
    (['--textures', 'nowhere'], 'nowhere: no such folder'),
    (['--textures', '.'], '.: no images'),
  ],
  ids=['no frames', 'negative', 'no folder', 'no images'],
)
def test_an_invalid_request_writes_nothing(
  tmp_path, monkeypatch, refuse, extra, message
):
  monkeypatch.chdir(tmp_path)
  refuse(synthetic, '--out', 'out', *extra, message=message)
  assert not list(tmp_path.iterdir())


def test_a_full_disk_names_the_file_and_leaves_nothing(
  tmp_path, limit_file_size
):
  out = tmp_path / 'out'
  with limit_file_size(1000), pytest.raises(FullDiskError) as caught:
    synthetic.write_folder(out, sequences=1, frames=1, seed=0)
  image = out / 'synthetic-0000' / 'img' / '000001.jpg'
  assert caught.value.filename == str(image)
  assert not list(tmp_path.iterdir())
