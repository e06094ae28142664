"""Writing of composed sets: limits, held-out videos and refused requests."""

import dataclasses
import itertools
import shutil

import pytest

from acm_jax.datasets import image_files
from acm_jax.training.data import check_held_out
from data_pipelines import pipeline
from data_pipelines.composed import __main__ as command
from data_pipelines.composed import library, library_writer
from data_pipelines.composed.composed_set import ComposedSet
from data_pipelines.composed.library import Library
from data_pipelines.composed.library_writer import Settings, Sources

FEW = Settings(sequences=2, frames=2)


@pytest.mark.parametrize('folder', ['left_out', 'left_out/img'])
def test_photographs_of_a_held_out_video_are_refused(
  originals, tmp_path, folder
):
  frames = originals.masks / 'JPEGImages/480p/left_out'
  images = shutil.copytree(frames, tmp_path / folder)
  leaky = dataclasses.replace(originals, backgrounds=(images,))
  library_writer.write(tmp_path / 'set', leaky, FEW)
  sets = [pipeline.DataSet(tmp_path / 'set')]
  with pytest.raises(ValueError, match=r'left_out.*/set'):
    check_held_out(sets, ('left_out', 'other'))
  check_held_out(sets, ('other',))


def test_photographs_can_be_held_out_by_name(originals, tmp_path):
  def contents(folder, **chosen):
    sources = Sources(originals.photographs, originals.masks, **chosen)
    library_writer.write(tmp_path / folder, sources, FEW)
    objects = len(Library(tmp_path / folder).object_name)
    names = set(library.read_names(tmp_path / folder))
    return {i for i in range(6) if f'photo{i}' in names}, objects

  held_out = ('photo0.jpg', 'photo4.jpg')
  excluded = ('left_out', *held_out)
  # Photograph 4 has no object that can be cut out, and photograph 5 has no
  # annotation.
  assert contents('kept', exclude=excluded) == ({1, 2, 3}, 4)
  assert contents('others', only=held_out) == ({0, 4}, 1)


@pytest.mark.parametrize('error', [KeyboardInterrupt, OSError])
def test_an_interrupted_write_leaves_nothing(
  originals, tmp_path, monkeypatch, error
):
  read, left = image_files.read, itertools.repeat(None, 2)

  def failing(file):
    if next(left, error) is error:
      raise error(str(file))
    return read(file)

  monkeypatch.setattr(image_files, 'read', failing)
  with pytest.raises(error):
    library_writer.write(tmp_path / 'set', originals, FEW)
  assert not list(tmp_path.iterdir())


def test_pictures_are_bounded_in_size_and_number(originals, tmp_path):
  bounded = dataclasses.replace(FEW, longest=60, objects=2, scenes=3)
  manifest = library_writer.write(tmp_path / 'set', originals, bounded)
  # Two objects from photographs and one from the video.
  assert manifest['kept'] == {'objects': 3, 'cutouts': 5, 'photographs': 3}
  assert manifest['settings']['composed']['exclude'] == ['left_out']
  library = Library(tmp_path / 'set')
  assert library.photograph_size.max() == 60
  assert max(library.photograph(i).shape[1] for i in range(3)) == 60
  assert ComposedSet(tmp_path / 'set').jpeg(3).startswith(b'\xff\xd8')


def test_the_command_writes_a_set(originals, tmp_path, run_command):
  flags = ['--photographs', originals.photographs, '--masks', originals.masks]
  flags += ['--exclude', 'left_out', '--sequences', 3, '--frames', 2]
  out = tmp_path / 'out'
  code, printed, _ = run_command(command, *flags, '--out', out)
  assert code == 0
  assert f'5 objects, 7 cutouts, 5 photographs in {out}' in printed[-1]
  assert len(ComposedSet(out).frame_number) == 6
  code, _, errors = run_command(command, *flags, '--out', out)
  assert code == 2
  assert 'already exists' in errors[0]


@pytest.mark.parametrize(
  ('extra', 'message'),
  [
    (
      ['--exclude', 'nobody'],
      '--exclude: no video or photograph is called nobody',
    ),
    (
      ['--only', 'photo0'],
      '--only: no video or photograph is called photo0 (nearest: photo0.jpg',
    ),
    (['--backgrounds', 'nowhere'], 'nowhere: no such folder of photographs'),
    (['--masks', 'nowhere'], 'nowhere: no such folder or archive'),
    (['--sequences', '0'], '--sequences=0: must be at least 1'),
    (['--seed', '-1'], '--seed=-1: must be at least 0'),
    (['--quality', '101'], '--quality=101: must be between 0 and 100'),
    (['--scenes', '1'], 'two photographs are needed'),
  ],
  ids=[
    'excluded',
    'only',
    'backgrounds',
    'masks',
    'sequences',
    'seed',
    'quality',
    'scenes',
  ],
)
def test_an_invalid_request_writes_nothing(
  originals, tmp_path, monkeypatch, refuse, extra, message
):
  monkeypatch.chdir(tmp_path)
  flags = ['--photographs', originals.photographs, '--masks', originals.masks]
  refuse(command, *flags, *extra, '--out', 'out', message=message)
  assert not list(tmp_path.iterdir())


def test_real_photographs_and_videos_give_a_set(real_data, tmp_path):
  davis = real_data / 'sequences' / 'DAVIS'
  videos = sorted(path.name for path in (davis / 'JPEGImages/480p').iterdir())
  # Five videos show the claim; all would take seconds.
  originals = Sources(
    real_data / 'stills' / 'boxed', davis, exclude=tuple(videos[5:])
  )
  few = Settings(sequences=4, frames=3, objects=10, scenes=5)
  manifest = library_writer.write(tmp_path / 'set', originals, few)
  # Each video shows a whole object in some frames.
  assert manifest['kept']['objects'] >= 10
  assert manifest['kept']['photographs'] == 5
  composed = ComposedSet(tmp_path / 'set')
  assert all(composed.jpeg(frame) for frame in range(12))
