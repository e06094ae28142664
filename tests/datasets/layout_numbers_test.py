"""Rows belong to the images of their numbers, in all layouts."""

import pytest

from acm_jax.datasets import layouts, tables
from tests.datasets.layout_files import rows, stems, write_images, write_text


@pytest.mark.parametrize('missing', [0, 5])
def test_a_hidden_test_set_without_an_image_is_refused(tmp_path, missing):
  write_images(tmp_path / 'frames' / 'a_0', {*range(11)} - {missing})
  write_text(tmp_path / 'anno' / 'a_0.txt', '5,6,7,8\n')
  message = f'a_0, result row {missing + 1}: image {missing} of a_0 is missing'
  with pytest.raises(ValueError, match=message):
    layouts.read('trackingnet', tmp_path)
  name = 'test/GOT-10k_Test_000001'
  write_images(tmp_path / name, {*range(1, 12)} - {missing + 1})
  write_text(tmp_path / name / 'groundtruth.txt', '5,6,7,8\n')
  message = f'row {missing + 1}: image {missing + 1} of GOT-10k_Test_000001 is'
  with pytest.raises(ValueError, match=message):
    layouts.read('got10k_test', tmp_path)


# Each writes a sequence of eight rows and returns the folder of the images, of
# which there are two more than rows.
def _otb(root):
  write_text(root / 'Football1' / 'groundtruth_rect.txt', rows(8))
  return root / 'Football1' / 'img'


def _nfs(root):
  lines = ''.join(f'0 {i} 2 {i + 5} 9 {i} 0 0 0 "car"\n' for i in range(64))
  write_text(root / 'a' / '30' / 'a.txt', lines)
  return root / 'a' / '30' / 'a'


def _tc128(root):
  write_text(root / 'a' / 'a_gt.txt', rows(8))
  write_text(root / 'a' / 'a_frames.txt', '1,10\n')
  return root / 'a' / 'img'


def _uav123_10fps(root):
  write_text(root / 'anno' / 'UAV123_10fps' / 'bike1.txt', rows(8))
  return root / 'data_seq' / 'UAV123_10fps' / 'bike1'


def _tinytlp(root):
  lines = ''.join(f'{i},1,1,2,2,0\n' for i in range(1, 9))
  write_text(root / 'a' / 'groundtruth_rect.txt', lines)
  return root / 'a' / 'img'


def _vot(root):
  write_text(root / 'list.txt', 'bag\n')
  write_text(root / 'bag' / 'groundtruth.txt', rows(8))
  return root / 'bag' / 'color'


_NUMBERED = {
  'otb': _otb,
  'nfs30': _nfs,
  'tc128': _tc128,
  'uav123_10fps': _uav123_10fps,
  'tinytlp': _tinytlp,
  'vot': _vot,
}


@pytest.mark.parametrize('layout', _NUMBERED)
@pytest.mark.parametrize('missing', [1, 5, 8])
def test_a_row_belongs_to_the_image_of_its_number(tmp_path, layout, missing):
  folder = _NUMBERED[layout](tmp_path)
  write_images(folder, range(1, 11))
  (sequence,) = layouts.read(layout, tmp_path)
  assert stems(sequence) == [f'{number:04d}' for number in range(1, 9)]
  (folder / f'{missing:04d}.jpg').unlink()
  message = f'row {missing}: image (of frame )?{missing} '
  with pytest.raises(ValueError, match=message):
    layouts.read(layout, tmp_path)


def test_nfs_drops_only_a_last_row_without_an_image(tmp_path):
  folder = _nfs(tmp_path)
  write_images(folder, range(1, 8))
  (sequence,) = layouts.read('nfs30', tmp_path)
  assert stems(sequence)[-1] == '0007'
  (folder / '0003.jpg').unlink()
  write_images(folder, [8])
  with pytest.raises(ValueError, match=r'a.txt row 3: image 3 of a is missing'):
    layouts.read('nfs30', tmp_path)


def test_a_part_of_a_uav_video_without_an_image_is_refused(tmp_path):
  folder = tmp_path / 'data_seq' / 'UAV123' / 'bird1'
  write_images(folder, {*range(1, 2438)} - {1000})
  for name, (_, first, last) in tables.parts('uav123').items():
    if name.startswith('bird1_'):
      file = tmp_path / 'anno' / 'UAV123' / f'{name}.txt'
      write_text(file, rows(last - first + 1))
  message = r'bird1_2.txt row 226: image 1000 of bird1_2 is missing'
  with pytest.raises(ValueError, match=message):
    layouts.read('uav123', tmp_path)


def test_hidden_files_and_folders_are_no_sequences(tmp_path):
  write_images(_otb(tmp_path), range(1, 9))
  for name in ('.git', '.ipynb_checkpoints', '__MACOSX'):
    write_images(tmp_path / name / 'img', [1])
  write_text(tmp_path / 'Football1' / 'img' / '._0001.jpg', 'metadata')
  (sequence,) = layouts.read('otb', tmp_path)
  assert len(sequence) == 8
  folder = tmp_path / 'uav'
  write_images(_uav123_10fps(folder), range(1, 9))
  write_text(folder / 'anno' / 'UAV123_10fps' / '._bike1.txt', 'metadata')
  (sequence,) = layouts.read('uav123_10fps', folder)
  assert sequence.name == 'bike1'
