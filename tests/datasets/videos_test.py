"""Videos from files and folders, and files that cannot be decoded."""

import cv2
import numpy as np
import pytest

from acm_jax.datasets import videos


def images(count=3):
  rng = np.random.default_rng(0)
  small = rng.integers(0, 256, (count, 6, 8, 3), np.uint8)
  return [cv2.resize(image, (64, 48)) for image in small]


def write_video(path):
  code = cv2.VideoWriter_fourcc(*'mp4v')
  writer = cv2.VideoWriter(str(path), code, 15, (64, 48))
  for image in images():
    writer.write(image[..., ::-1])
  writer.release()


def write_folder(path, kind='png'):
  path.mkdir()
  for i, image in enumerate(images(), 9):
    cv2.imwrite(str(path / f'{i}.{kind}'), image[..., ::-1])


def test_frames_of_a_video_file_are_rgb(tmp_path):
  write_video(tmp_path / 'a.mp4')
  video = videos.open_video(str(tmp_path / 'a.mp4'))
  assert (video.fps, video.length, video.live) == (15, 3, False)
  for frame, expected in zip(video.frames, images(), strict=True):
    # The codec is lossy, but swapped channels would differ far more.
    assert np.abs(frame.astype(int) - expected).mean() < 12


def test_images_of_a_folder_are_read_by_number(tmp_path):
  write_folder(tmp_path / 'a')
  video = videos.open_video(str(tmp_path / 'a'))
  assert video.length == 3
  np.testing.assert_array_equal(list(video.frames), images())


def test_a_missing_video_is_refused(tmp_path):
  with pytest.raises(FileNotFoundError, match='no such video'):
    videos.open_video(str(tmp_path / 'a.mp4'))


def test_an_empty_folder_is_refused(tmp_path):
  with pytest.raises(ValueError, match='contains no images'):
    videos.open_video(str(tmp_path))


def test_a_file_that_is_not_a_video_is_refused(tmp_path):
  (tmp_path / 'a.mp4').write_text('not a video')
  with pytest.raises(ValueError, match=r'a\.mp4: cannot be decoded'):
    videos.open_video(str(tmp_path / 'a.mp4'))


@pytest.mark.parametrize('kind', ['png', 'jpg'])
@pytest.mark.parametrize('fraction', [0.0, 0.1, 0.9], ids=str)
def test_a_truncated_image_is_named(tmp_path, kind, fraction):
  write_folder(tmp_path / 'a', kind)
  path = tmp_path / 'a' / f'10.{kind}'
  path.write_bytes(path.read_bytes()[: int(fraction * path.stat().st_size)])
  frames = videos.open_video(str(tmp_path / 'a')).frames
  with pytest.raises(ValueError, match=rf'10\.{kind}: cannot be decoded'):
    list(frames)


def test_an_annotation_file_is_refused_as_a_video(tmp_path):
  path = tmp_path / 'groundtruth.txt'
  path.write_text('10,20,30,40\n' * 40)
  with pytest.raises(ValueError, match=r'groundtruth.txt: is a text file'):
    videos.open_video(str(path))
