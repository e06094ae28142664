"""Tracks from synthetic and real sequences."""

import numpy as np
import pytest

from data_pipelines import clips, layouts, synthetic, tracks
from data_pipelines.clip_set import ClipSet

SMALL = {'sequences': 2, 'frames': 3, 'size': (60, 80), 'seed': 1}


def test_a_synthetic_set_is_made_once(tmp_path):
  out = tmp_path / 'set'
  tracks.ensure_synthetic(out, crop_size=127, **SMALL)
  written = (out / 'index.npz').stat().st_mtime_ns
  assert tracks.ensure_synthetic(out, crop_size=127, **SMALL) == out
  assert (out / 'index.npz').stat().st_mtime_ns == written


@pytest.mark.parametrize(
  'change', [{'seed': 2}, {'crop_size': 63}], ids=['seed', 'crop_size']
)
def test_a_synthetic_set_of_other_settings_is_replaced(tmp_path, change):
  out = tmp_path / 'set'
  settings = {**SMALL, 'crop_size': 127}
  tracks.ensure_synthetic(out, **settings)
  before = ClipSet(out).jpeg(0)
  tracks.ensure_synthetic(out, **{**settings, **change})
  assert ClipSet(out).jpeg(0) != before


def test_another_clip_set_is_not_overwritten(tmp_path):
  made = tracks.from_synthetic(1, 2, (60, 80), seed=0)
  clips.write(made, tmp_path / 'davis', crop_size=127)
  with pytest.raises(ValueError, match='not synthetic: name another folder'):
    tracks.ensure_synthetic(tmp_path / 'davis', **SMALL)
  (tmp_path / 'full').mkdir()
  with pytest.raises(FileNotFoundError, match='no clip set'):
    tracks.ensure_synthetic(tmp_path / 'full', **SMALL)


def test_sequences_become_tracks_with_their_frame_numbers(tmp_path):
  synthetic.write_folder(tmp_path / 'videos', sequences=2, frames=5, seed=0)
  found = layouts.read('folder', tmp_path / 'videos')
  first, second = tracks.from_sequences(found, stride=2)
  assert first.frame_number.tolist() == [0, 2, 4]
  np.testing.assert_array_equal(first.box_xywh, found[0].box_xywh[::2])
  video = synthetic.generate((0, 0), 5)
  # What JPEG loses of a noisy picture; another track differs by far more.
  assert abs(first.read(1).astype(float) - video.frames[2]).mean() < 10
  assert abs(second.read(1).astype(float) - video.frames[2]).mean() > 20


def test_davis_becomes_a_clip_set(real_data, tmp_path):
  root = real_data / 'sequences' / 'DAVIS'
  found = layouts.read('davis', root, only=['dog'])
  made = tracks.from_sequences(found, stride=10)
  manifest = clips.write(made, tmp_path / 'davis', crop_size=255)
  assert (manifest['tracks'], manifest['frames']) == (1, 6)
