"""The clip set of procedural sequences is generated once."""

import pytest

from data_pipelines import clip_writer, synthetic_set
from data_pipelines.clip_set import ClipSet

SMALL = {'sequences': 2, 'frames': 3, 'size': (60, 80), 'seed': 1}


def test_a_synthetic_set_is_generated_once(tmp_path):
  out = tmp_path / 'set'
  synthetic_set.ensure(out, crop_size=127, **SMALL)
  written = (out / 'manifest.json').stat().st_mtime_ns
  assert synthetic_set.ensure(out, crop_size=127, **SMALL) == out
  assert (out / 'manifest.json').stat().st_mtime_ns == written


@pytest.mark.parametrize(
  'change', [{'seed': 2}, {'crop_size': 63}], ids=['seed', 'crop_size']
)
def test_a_synthetic_set_with_other_settings_is_replaced(tmp_path, change):
  out = tmp_path / 'set'
  settings = {**SMALL, 'crop_size': 127}
  synthetic_set.ensure(out, **settings)
  before = ClipSet(out).jpeg(0)
  synthetic_set.ensure(out, **{**settings, **change})
  assert ClipSet(out).jpeg(0) != before


def test_another_clip_set_is_not_overwritten(tmp_path):
  tracks = synthetic_set.tracks(1, 2, (60, 80), seed=0)
  clip_writer.write(tracks, tmp_path / 'davis')
  with pytest.raises(ValueError, match='not synthetic; name another folder'):
    synthetic_set.ensure(tmp_path / 'davis', **SMALL)
  (tmp_path / 'full').mkdir()
  with pytest.raises(FileNotFoundError, match='not a clip set'):
    synthetic_set.ensure(tmp_path / 'full', **SMALL)
