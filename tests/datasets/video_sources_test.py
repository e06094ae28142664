"""Training sets of videos in their official layouts, with special cases."""

import shutil

import numpy as np
import pytest

from tests.datasets.dummy_sets import boxes, image, read


def test_got10k_is_1_based_and_hides_absent_and_covered_frames(write_set):
  first, second = read('got10k', write_set('got10k')).values()
  assert first.name == 'GOT-10k_Train_000001'
  assert boxes(first)[0] == [4.5, 5.25, 12, 9]
  assert first.visible.tolist() == [True] * 3
  assert second.visible.tolist() == [True, False, True]
  np.testing.assert_array_equal(first.image(1), image(2))


def test_missing_labels_of_got10k_are_named(write_set):
  root = write_set('got10k')
  (root / 'train' / 'GOT-10k_Train_000002' / 'cover.label').write_text('8\n')
  with pytest.raises(ValueError, match=r'cover.label: 1 labels for 3 boxes'):
    read('got10k', root)


def test_two_videos_of_one_name_are_refused(write_set):
  root = write_set('got10k')
  shutil.copytree(root / 'train', root / 'again')
  with pytest.raises(ValueError, match='_000001: same name as '):
    read('got10k', root)


def test_lasot_leaves_out_the_test_set_and_surplus_images(write_set):
  tracks = read('lasot', write_set('lasot'))
  assert list(tracks) == ['airplane-2', 'monkey-1']
  for track in tracks.values():
    assert boxes(track)[0] == [2, 3, 10, 8]
    assert track.visible.tolist() == [True, False, False]
    assert len(track.files) == 3


def test_lasot_leaves_out_lasot_ext(write_set):
  root = write_set('lasot')
  (root / 'airplane' / 'airplane-2').rename(root / 'airplane' / 'atv-1')
  assert list(read('lasot', root)) == ['monkey-1']


def test_a_class_of_lasot_may_have_a_capital_letter(write_set):
  root = write_set('lasot')
  (root / 'airplane').rename(root / 'rubicCube')
  for number in (1, 2):
    old = root / 'rubicCube' / f'airplane-{number}'
    old.rename(root / 'rubicCube' / f'rubicCube-{number}')
  assert list(read('lasot', root)) == ['monkey-1', 'rubicCube-2']


def test_trackingnet_sorts_by_number_and_opens_packed_videos(write_set):
  tracks = read('trackingnet', write_set('trackingnet'))
  numbers = [file.rpartition('/')[2] for file in tracks['aB-c_0'].files]
  assert numbers == [f'{i}.jpg' for i in range(11)]
  assert boxes(tracks['aB-c_0'])[10] == [12, 3, 8.5, 7.5]
  np.testing.assert_array_equal(tracks['-x_1'].image(1), image(1))


def test_trackingnet_ignores_files_that_are_no_annotations(write_set):
  root = write_set('trackingnet')
  (root / 'TRAIN_0' / 'anno' / '.DS_Store').write_bytes(b'x')
  assert list(read('trackingnet', root)) == ['aB-c_0', '-x_1']


def test_imagenet_vid_makes_a_track_of_every_target(write_set):
  video = 'ILSVRC2015_VID_train_0000/ILSVRC2015_train_00000000'
  tracks = read('imagenet_vid', write_set('imagenet_vid'))
  assert list(tracks) == [f'{video}.0', f'{video}.1']
  assert boxes(tracks[f'{video}.0']) == [[4, 5, 16, 10]] * 3
  assert tracks[f'{video}.1'].frame_number.tolist() == [0, 2]
  assert tracks[f'{video}.1'].files[1].endswith('000002.JPEG')


def test_imagenet_vid_keeps_the_boxes_of_missing_images(write_set):
  root = write_set('imagenet_vid')
  next(root.rglob('000001.JPEG')).unlink()
  track = next(iter(read('imagenet_vid', root).values()))
  assert track.frame_number.tolist() == [0, 1, 2]
  with pytest.raises(FileNotFoundError, match=r'000001.JPEG: no such file'):
    track.image(1)


def test_a_broken_annotation_of_imagenet_vid_is_named(write_set):
  root = write_set('imagenet_vid')
  annotation = next(root.rglob('000001.xml'))
  annotation.write_text('<annotation><object></object></annotation>')
  with pytest.raises(ValueError, match=r'000001.xml: object 0 has no box'):
    read('imagenet_vid', root)
  annotation.write_text('<annotation>')
  with pytest.raises(ValueError, match=r'000001.xml: not XML'):
    read('imagenet_vid', root)


def test_youtube_bb_scales_boxes_and_leaves_out_missing_images(write_set):
  (track,) = read('youtube_bb', write_set('youtube_bb')).values()
  assert track.name == '3/v1_a-.0'
  assert track.frame_number.tolist() == [0, 1, 10]
  assert track.visible.tolist() == [True, False, True]
  # Images have 48 x 32 px; edges are xmin, xmax, ymin, ymax.
  np.testing.assert_allclose(boxes(track)[0], [4.8, 8, 19.2, 16], rtol=1e-6)


def test_youtube_bb_needs_only_one_readable_image(write_set):
  root = write_set('youtube_bb')
  images = sorted(root.rglob('v1_a-_*.jpg'))
  (before,) = read('youtube_bb', root).values()
  images[0].write_bytes(b'')
  (track,) = read('youtube_bb', root).values()
  assert boxes(track) == boxes(before)
  with pytest.raises(ValueError, match=r'_0_3_0.jpg: cannot be decoded'):
    track.image(0)
  for path in images:
    path.write_bytes(b'')
  (track,) = read('youtube_bb', root).values()
  with pytest.raises(ValueError, match='cannot be decoded'):
    track.image(2)


@pytest.mark.parametrize(
  ('row', 'message'),
  [
    ('v,0,3,cat,0,present,0.1,0.5,0.2', 'row 1: 9 values, not 10'),
    ('v,x,3,cat,0,present,0.1,0.5,0.2,0.7', 'row 1: invalid literal'),
    ('v,0,3,cat,0,present,0.1,1.5,0.2,0.7', 'row 1: edges .* not fractions'),
    ('v,0,3,cat,0,present,nan,0.5,0.2,0.7', 'row 1: edges .* not fractions'),
  ],
)
def test_a_bad_row_of_youtube_bb_is_named(write_set, row, message):
  root = write_set('youtube_bb')
  (root / 'yt_bb_detection_train.csv').write_text(row + '\n')
  with pytest.raises(ValueError, match=message):
    read('youtube_bb', root)
