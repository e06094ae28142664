"""Sequences of a composed set, written as a benchmark."""

import cv2
import numpy as np

from acm_jax.datasets.sources import folder as folder_source
from acm_jax.datasets.trees import open_tree
from acm_jax.geometry import boxes
from data_pipelines import rendered
from tests.data_pipelines.composed.small_set import FRAMES


def test_sequences_have_whole_frames_and_exact_boxes(
  folder, composed, plans, tmp_path, run_command
):
  out = tmp_path / 'sequences'
  code, printed, _ = run_command(rendered, '--set', folder, '--out', out)
  assert code == 0
  assert printed[-1] == f'{len(plans)} sequences in {out}'
  tree = open_tree(out)
  units = list(folder_source.units(tree))
  assert [unit.name for unit in units] == list(composed.track_name)
  for number, plan in enumerate(plans):
    name = units[number].name
    (track,) = folder_source.tracks(tree, units[number])
    image = cv2.imread(str(out / name / 'img' / '000003.jpg'))
    assert image.shape[1::-1] == tuple(plan.window[2, 2:])
    assert len(track.box_xywh) == FRAMES
    assert track.visible.all()
    center = boxes.pixel_center(track.box_xywh) + plan.window[:, :2]
    # Rows have two decimals.
    np.testing.assert_allclose(center, plan.box[:, :2], atol=0.011)
    size = track.box_xywh[:, 2:]
    np.testing.assert_allclose(size, plan.box[:, 2:], atol=0.006)


def test_a_folder_that_is_no_composed_set_is_refused(tmp_path, run_command):
  code, _, errors = run_command(
    rendered, '--set', tmp_path, '--out', tmp_path / 'out'
  )
  assert code == 2
  assert str(tmp_path) in errors[0]
  assert not (tmp_path / 'out').exists()
