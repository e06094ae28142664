"""The library of a composed set: cutouts, names and damaged files."""

import json
import shutil

import numpy as np
import pytest

from data_pipelines import training_set
from data_pipelines.clip_set import ClipSet
from data_pipelines.composed.library import VERSION


def test_only_whole_objects_are_cut_out(library):
  # Crowds, small objects, objects at the border or in several pieces, objects
  # without an outline and the excluded video are left out.
  assert sorted(library.object_name) == [
    'long.1',
    'photo0.jpg.0',
    'photo1.jpg.1',
    'photo2.jpg.2',
    'photo3.jpg.3',
  ]
  category = dict(
    zip(library.object_name, library.object_category, strict=True)
  )
  assert category['photo0.jpg.0'] == category['photo1.jpg.1'] == 'round'
  # The masks of a video do not name classes.
  assert category['long.1'] == ''
  counts = dict(zip(library.object_name, library.object_count, strict=True))
  # Cutouts of frames 0, 4 and 8 of the nine frames.
  assert counts.pop('long.1') == 3
  assert set(counts.values()) == {1}


def test_a_cutout_has_only_the_colour_of_its_object(library):
  bgra = library.cutout(int(library.object_first[library.object_count == 1][0]))
  inside = bgra[bgra[..., 3] == 255][:, :3].astype(float)
  # Objects have nearly one colour, and JPEG changes it by less than 20 levels.
  assert np.abs(inside - np.median(inside, axis=0)).max() < 20


def test_an_outline_is_a_pixel_inside_the_annotated_outline(library):
  number = library.object_name.tolist().index('photo0.jpg.0')
  extent = np.ptp(library.hull[library.object_first[number]], axis=0)
  # An ellipse of 61 x 51 px loses a pixel per side, and its soft tips up to one
  # pixel more.
  np.testing.assert_allclose(extent, [58.5, 48.5], atol=1)


def test_a_set_lists_the_names_of_its_contents(folder, library, clip_folder):
  names = training_set.read_names(folder)
  assert {*library.object_name, 'train2017', 'photo3'} <= set(names)
  assert not any(name.startswith('left_out') for name in names)
  assert training_set.read_names(clip_folder) == (
    ClipSet(clip_folder).track_name.tolist()
  )


def test_names_are_read_without_the_pictures(folder, clip_folder, tmp_path):
  for original, pictures in (
    (folder, 'images.bin'),
    (clip_folder, 'clips-00000.tfrecord'),
  ):
    copy = shutil.copytree(original, tmp_path / original.name)
    (copy / pictures).unlink()
    assert training_set.read_names(copy) == training_set.read_names(original)


def truncate(path):
  path.write_bytes(path.read_bytes()[:-100])


def flip(path):
  data = bytearray(path.read_bytes())
  data[len(data) // 2] ^= 255
  path.write_bytes(data)


@pytest.mark.parametrize(
  ('name', 'harm', 'message'),
  [
    (
      'images.bin',
      truncate,
      r'images.bin: has \d+ bytes, but .* lists \d+',
    ),
    ('images.bin', flip, r'images.bin: damaged \(wrong checksum'),
    ('index.npz', flip, r'index.npz: damaged'),
    ('manifest.json', truncate, r'manifest.json: not JSON'),
  ],
  ids=['truncated', 'changed', 'index', 'manifest'],
)
def test_a_damaged_library_is_refused(folder, tmp_path, name, harm, message):
  copy = shutil.copytree(folder, tmp_path / 'set')
  harm(copy / name)
  with pytest.raises(ValueError, match=message):
    training_set.open_set(copy)


def test_a_library_of_another_version_is_refused(folder, tmp_path):
  copy = shutil.copytree(folder, tmp_path / 'set')
  manifest = json.loads((copy / 'manifest.json').read_text())
  (copy / 'manifest.json').write_text(json.dumps({**manifest, 'version': 0}))
  with pytest.raises(ValueError, match=f'version 0, but .* {VERSION}; write'):
    training_set.open_set(copy)


def test_a_missing_file_is_named(folder, tmp_path):
  copy = shutil.copytree(folder, tmp_path / 'set')
  (copy / 'images.bin').unlink()
  with pytest.raises(FileNotFoundError, match=r'images.bin: missing'):
    training_set.open_set(copy)
