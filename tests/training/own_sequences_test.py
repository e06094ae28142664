"""Own sequences are divided by video and written once; few are refused."""

import numpy as np
import pytest

from acm_jax.datasets.sources import folder as folders
from acm_jax.training import own_sequences
from data_pipelines import synthetic, training_set


@pytest.fixture
def folder(tmp_path):
  """Returns a function that makes empty sequences with given names."""

  def make(*names):
    for name in names:
      (tmp_path / 'own' / name / 'img').mkdir(parents=True)
    return tmp_path / 'own'

  return make


@pytest.mark.parametrize(
  ('videos', 'fraction', 'count'),
  [(2, 0.2, 1), (5, 0.2, 1), (10, 0.2, 2), (10, 0.34, 3), (3, 0.5, 2)],
)
def test_a_fraction_of_the_videos_is_held_out_and_at_least_one(
  folder, videos, fraction, count
):
  own = folder(*(f'video{n}' for n in range(videos)))
  held_out = own_sequences.held_out(own, fraction)
  assert len(held_out) == count
  assert own_sequences.held_out(str(own), fraction) == held_out


def test_all_targets_of_a_video_are_held_out_together(folder):
  names = [f'clip{n}.{target:03d}' for n in range(4) for target in range(3)]
  held_out = own_sequences.held_out(folder(*names), 0.25)
  assert len(held_out) == 3
  assert len({name.partition('.')[0] for name in held_out}) == 1


def test_videos_whose_names_end_in_a_year_are_different_videos(folder):
  own = folder('drive.2024', 'drive.2025', 'drive.2026')
  assert len(own_sequences.held_out(own, 0.3)) == 1


def test_the_choice_depends_on_the_names_and_not_on_their_order(folder):
  folder('a', 'b', 'c', 'd')
  before = own_sequences.held_out(folder('e'), 0.2)
  # The new video may take the place of the old one, but shuffles nothing.
  after = own_sequences.held_out(folder('0'), 0.2)
  assert after in (before, ('0',))


@pytest.mark.parametrize('names', [['clip'], ['clip.000', 'clip.001']])
def test_sequences_of_a_single_video_are_refused(folder, names):
  own = folder(*names)
  with pytest.raises(
    ValueError, match='own: has sequences of 1 video, of which 1 would be held'
  ):
    own_sequences.held_out(own, 0.2)


def test_a_folder_without_sequences_and_no_folder_are_refused(tmp_path):
  with pytest.raises(FileNotFoundError, match='no sequence with a folder img'):
    own_sequences.held_out(tmp_path, 0.2)
  with pytest.raises(ValueError, match='no sequences are named; give `data_d'):
    own_sequences.held_out(None, 0.2)


def annotate(own, absent):
  """Writes sequences of three frames whose target is marked as absent.

  Args:
    own: Folder of the sequences.
    absent: Absence of the target in each frame with a box, for each sequence.
  """
  images = dict.fromkeys(range(3), np.zeros((40, 60, 3), np.uint8))
  for name, marks in absent.items():
    boxes = np.full((len(marks), 4), 20.0)
    folders.write(own / name, images, boxes, np.array(marks, bool))


def test_held_out_sequences_with_nothing_to_track_are_left_out_and_named(
  tmp_path, capsys
):
  marks = {
    'clip.000': [0, 1, 0],
    'clip.001': [0],
    'clip.002': [1, 0, 0],
    'clip.003': [0, 1, 1],
    'other': [0],
  }
  annotate(tmp_path, marks)
  held_out = [name for name in marks if name != 'other']
  assert own_sequences.to_validate(tmp_path, held_out) == ('clip.000',)
  lines = capsys.readouterr().out.splitlines()
  assert [line.split()[0] for line in lines] == held_out[1:]
  with pytest.raises(
    ValueError, match=r'no held-out sequence \(clip.001, clip.003\) is visible'
  ):
    own_sequences.to_validate(tmp_path, ('clip.001', 'clip.003'))


def test_frames_that_are_left_out_of_the_clip_set_are_told(tmp_path, capsys):
  own, out = tmp_path / 'own', tmp_path / 'set'
  annotate(own, {'clip': [0, 1, 0], 'never': [1, 1, 1], 'held': [0]})
  (own / 'clip' / 'img' / '000002.jpg').write_text('no image')
  own_sequences.ensure(out, own, ['held'], stride=1)
  *_, warning, summary = capsys.readouterr().out.splitlines()
  assert warning.startswith(f'warning: {own}/clip/img/000002.jpg: cannot be')
  assert summary == (
    f'1 frames of 1 tracks in {out}; left out: 4 absent, 1 unreadable'
  )


def test_the_clip_set_is_written_once_without_the_held_out_sequences(tmp_path):
  own, out = tmp_path / 'own', tmp_path / 'set'
  synthetic.write_folder(own, sequences=3, frames=4, seed=1)
  names = sorted(path.name for path in own.iterdir())
  own_sequences.ensure(out, own, names[1:2], stride=1)
  assert sorted(training_set.read_names(out)) == [names[0], names[2]]
  before = (out / 'manifest.json').stat()
  own_sequences.ensure(out, own, names[1:2], stride=1)
  assert (out / 'manifest.json').stat() == before
  with pytest.raises(
    ValueError, match=f'so that {names[0]}, which it has trained on, would be'
  ):
    own_sequences.ensure(out, own, names[:1], stride=1)
