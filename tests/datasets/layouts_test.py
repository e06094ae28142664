"""Special cases of each layout, and real sequences where available."""

import shutil
import unicodedata

import cv2
import numpy as np
import pytest

from acm_jax.datasets import layouts, tables
from tests.datasets.layout_files import rows, stems, write_images, write_text

UAV = 'uav123_10fps'
# Layout, folder, sequence, frames, first box (px, 0-based).
REAL = [
  ('otb', 'OTB100', 'Couple', 140, (50, 46, 25, 62)),
  ('otb', 'OTB100', 'Jogging-1', 307, (110, 97, 25, 101)),
  ('otb', 'OTB100', 'Jogging-2', 307, (179, 78, 37, 114)),
  ('otb', 'OTB100', 'Car1', 400, (22, 87, 66, 55)),
  ('vot', 'VOT2018', 'bag', 196, (292.23, 128.36, 145.96, 132.47)),
  ('vot', 'VOT2018', 'book', 175, (199, 49, 88, 64)),
  (UAV, 'UAV123_10fps', 'wakeboard7', 67, (388.75, 186.25, 6.88, 23.75)),
  ('tinytlp', 'TinyTLP', 'Bike', 300, (113.25, 80.25, 49.5, 161.25)),
  ('davis', 'DAVIS', 'blackswan', 50, (61.86, 35.56, 186.57, 151.98)),
]  # fmt: skip


@pytest.mark.parametrize(
  ('layout', 'folder', 'name', 'frames', 'box'), REAL, ids=[r[2] for r in REAL]
)
def test_a_real_sequence_is_read(real_data, layout, folder, name, frames, box):
  root = real_data / 'sequences' / folder
  (sequence,) = [s for s in layouts.read(layout, root) if s.name == name]
  assert len(sequence) == frames
  assert sequence.visible.all()
  # The expected boxes are rounded to two decimals.
  np.testing.assert_allclose(sequence.box_xywh[0], box, atol=0.006)
  h, w, _ = sequence.frame(0).shape
  x, y, width, height = sequence.box_xywh[0]
  assert x + width <= w
  assert y + height <= h


def test_boxes_of_masks_agree_with_the_box_files(real_data, tmp_path):
  source = real_data / 'sequences' / 'DAVIS'
  for part in ('JPEGImages', 'Annotations'):
    (tmp_path / part / '480p').mkdir(parents=True)
    link = tmp_path / part / '480p' / 'blackswan'
    link.symlink_to(source / part / '480p' / 'blackswan')
  (from_masks,) = layouts.read('davis', tmp_path)
  (from_files,) = [
    s for s in layouts.read('davis', source) if s.name == 'blackswan'
  ]
  # The boxes in the files were measured before the masks were scaled.
  np.testing.assert_allclose(from_masks.box_xywh, from_files.box_xywh, atol=2)


def test_a_sequence_of_davis_begins_where_its_target_appears(tmp_path):
  write_images(tmp_path / 'JPEGImages' / '480p' / 'two', range(4))
  for number in range(4):
    mask = np.zeros((4, 4), np.uint8)
    mask[:2, :2] = 1
    mask[2:, 1:] = 2 * (number in (1, 3))
    path = tmp_path / 'Annotations' / '480p' / 'two' / f'{number:04d}.png'
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), mask)
  first, later = layouts.read('davis', tmp_path)
  assert stems(first) == ['0000', '0001', '0002', '0003']
  assert stems(later) == ['0001', '0002', '0003']
  np.testing.assert_array_equal(later.box_xywh[0], [1, 2, 3, 2])
  assert later.visible.tolist() == [True, False, True]


def test_david_starts_at_its_official_frame(tmp_path):
  write_images(tmp_path / 'David' / 'img', range(298, 304))
  (tmp_path / 'David' / 'groundtruth_rect.txt').write_text(rows(3))
  (sequence,) = layouts.read('otb', tmp_path)
  assert stems(sequence) == ['0300', '0301', '0302']


def test_tiger1_begins_at_image_6_in_both_versions_of_its_file(tmp_path):
  write_images(tmp_path / 'Tiger1' / 'img', range(1, 355))
  file = tmp_path / 'Tiger1' / 'groundtruth_rect.txt'
  for count, first in ((354, 5), (349, 0)):
    file.write_text(rows(count))
    (sequence,) = layouts.read('otb', tmp_path)
    assert len(sequence) == 349
    assert stems(sequence)[0] == '0006'
    assert sequence.box_xywh[0, 0] == first
  file.write_text(rows(350))
  message = '350 rows; .* 354 rows, or 349 if it begins at image 6'
  with pytest.raises(ValueError, match=message):
    layouts.read('otb', tmp_path)


@pytest.mark.parametrize('folders', [['Jogging'], ['Jogging-1', 'Jogging-2']])
def test_two_targets_of_a_video_are_two_sequences(tmp_path, folders):
  for folder in folders:
    write_images(tmp_path / folder / 'img', range(1, 4))
    for target in (1, 2):
      file = tmp_path / folder / f'groundtruth_rect.{target}.txt'
      file.write_text(rows(3, x=10 * target))
  found = layouts.read('otb', tmp_path)
  assert [s.name for s in found] == ['Jogging-1', 'Jogging-2']
  assert [s.box_xywh[0, 0] for s in found] == [9, 19]


def test_attributes_of_otb_are_read(tmp_path):
  write_images(tmp_path / 'Couple' / 'img', range(1, 3))
  write_text(tmp_path / 'Couple' / 'groundtruth_rect.txt', rows(2))
  write_text(tmp_path / 'Couple' / 'attrs.txt', 'SV, DEF,,FM,\n')
  (sequence,) = layouts.read('otb', tmp_path)
  assert sequence.attributes == ('SV', 'DEF', 'FM')


def test_attributes_of_uav123_are_read(tmp_path):
  folder = tmp_path / 'anno' / 'UAV123_10fps'
  write_images(tmp_path / 'data_seq' / 'UAV123_10fps' / 'bike1', range(1, 3))
  write_text(folder / 'bike1.txt', rows(2))
  write_text(folder / 'att' / 'bike1.txt', '1,0,0,0,0,1,0,0,0,0,0,1\n')
  (sequence,) = layouts.read('uav123_10fps', tmp_path)
  assert sequence.attributes == ('SV', 'POC', 'SOB')
  for text, message in (
    ('1,0\n', r'att/bike1.txt row 1: 2 values, not 12'),
    ('0,' * 11 + '3\n', r'att/bike1.txt: must be one row with 0 or 1'),
    ('', r'att/bike1.txt: must be one row with 0 or 1'),
  ):
    write_text(folder / 'att' / 'bike1.txt', text)
    with pytest.raises(ValueError, match=message):
      layouts.read('uav123_10fps', tmp_path)


def test_uav123_cuts_its_sequences_out_of_videos(tmp_path):
  write_images(tmp_path / 'data_seq' / 'UAV123' / 'bird1', range(770, 1500))
  first = 'nan,nan,nan,nan\n' + rows(702, x=5)
  write_text(tmp_path / 'anno' / 'UAV123' / 'bird1_2.txt', first)
  write_text(tmp_path / 'anno' / 'UAV123' / 'bird1_1.txt', rows(253))
  write_text(tmp_path / 'anno' / 'UAV123' / 'bird1_3.txt', rows(1))
  with pytest.raises(ValueError, match=r'bird1_1.txt row 1: image 1 of bird1'):
    layouts.read('uav123', tmp_path)
  folder = tmp_path / 'data_seq' / 'UAV123'
  write_images(folder / 'bird1_more', range(1))
  for numbers in (range(1, 254), range(1573, 2438)):
    write_images(folder / 'bird1', numbers)
  with pytest.raises(
    ValueError, match='1 rows, but bird1_3 has images 1573 to 2437'
  ):
    layouts.read('uav123', tmp_path)
  write_text(tmp_path / 'anno' / 'UAV123' / 'bird1_3.txt', rows(865))
  _, sequence, last = layouts.read('uav123', tmp_path)
  assert (stems(sequence)[0], stems(sequence)[-1]) == ('0775', '1477')
  assert not sequence.visible[0]
  assert sequence.box_xywh[1, 0] == 4
  assert (stems(last)[0], stems(last)[-1]) == ('1573', '2437')


def test_uav20l_has_whole_videos_and_its_own_annotations(tmp_path):
  parts = tables.parts('uav20l')
  name = min(parts, key=lambda name: parts[name].last)
  folder, first, last = parts[name]
  assert first == 1
  write_images(tmp_path / 'data_seq' / 'UAV123' / folder, range(1, last + 1))
  write_text(tmp_path / 'anno' / 'UAV20L' / f'{name}.txt', rows(last))
  (sequence,) = layouts.read('uav20l', tmp_path)
  assert len(sequence) == last
  assert stems(sequence)[0] == '0001'


def test_nfs_uses_every_eighth_row_at_30_frames_per_second(tmp_path):
  lines = ''.join(f'0 {i} 2 {i + 5} 9 {i} 0 0 0 "car"\n' for i in range(17))
  for rate, count in (('30', 2), ('240', 17)):
    write_images(tmp_path / 'a' / rate / 'a', range(1, count + 1))
    write_text(tmp_path / 'a' / rate / 'a.txt', lines)
  (slow,) = layouts.read('nfs30', tmp_path)
  assert slow.box_xywh.tolist() == [[0, 2, 5, 7], [8, 2, 5, 7]]
  (fast,) = layouts.read('nfs240', tmp_path)
  assert len(fast) == 17
  write_images(tmp_path / 'a' / '240' / 'a', range(18, 19))
  assert len(layouts.read('nfs240', tmp_path)[0]) == 17
  write_text(tmp_path / 'a' / '30' / 'a.txt', 2 * lines)
  with pytest.raises(ValueError, match='5 rows, but a has only 2 frames'):
    layouts.read('nfs30', tmp_path)
  write_text(tmp_path / 'a' / '30' / 'a.txt', '0 1 2 3\n')
  with pytest.raises(ValueError, match='row 1: must begin with the five val'):
    layouts.read('nfs30', tmp_path)


def test_tc128_lists_its_first_and_last_image(tmp_path):
  write_images(tmp_path / 'Ball_ce1' / 'img', range(1, 9))
  write_text(tmp_path / 'Ball_ce1' / 'Ball_ce1_gt.txt', rows(3, x=5))
  write_text(tmp_path / 'Ball_ce1' / 'Ball_ce1_frames.txt', '4,6\n')
  (sequence,) = layouts.read('tc128', tmp_path)
  assert stems(sequence) == ['0004', '0005', '0006']
  assert sequence.box_xywh[0].tolist() == [4, 0, 2, 2]


def test_the_layout_of_lasot_has_only_its_test_sets(tmp_path):
  for name in ('airplane-1', 'airplane-2', 'paddle-10'):
    folder = tmp_path / name.partition('-')[0] / name
    write_images(folder / 'img', range(1, 4))
    write_text(folder / 'groundtruth.txt', rows(3, x=5))
    write_text(folder / 'full_occlusion.txt', '0,1,0')
    write_text(folder / 'out_of_view.txt', '0,0,0')
  first, second = layouts.read('lasot', tmp_path)
  assert (first.name, second.name) == ('airplane-1', 'paddle-10')
  assert first.visible.tolist() == [True, False, True]
  assert first.box_xywh[0].tolist() == [4, 0, 2, 2]


def test_got10k_has_all_boxes_only_in_its_validation_set(tmp_path):
  for name in ('val/GOT-10k_Val_000001', 'test/GOT-10k_Test_000001'):
    write_images(tmp_path / name, range(1, 4))
  val = tmp_path / 'val' / 'GOT-10k_Val_000001'
  write_text(val / 'groundtruth.txt', rows(3, x=5))
  write_text(val / 'absence.label', '0\n0\n0\n')
  write_text(val / 'cover.label', '8\n0\n8\n')
  test = tmp_path / 'test' / 'GOT-10k_Test_000001'
  write_text(test / 'groundtruth.txt', rows(1, x=5))
  (sequence,) = layouts.read('got10k_val', tmp_path)
  assert sequence.visible.tolist() == [True, False, True]
  (sequence,) = layouts.read('got10k_test', tmp_path)
  assert len(sequence) == 3
  assert sequence.visible.tolist() == [True, False, False]
  assert sequence.box_xywh[0].tolist() == [4, 0, 2, 2]


def test_the_test_set_of_trackingnet_has_only_first_boxes(tmp_path):
  for number in range(11):
    path = tmp_path / 'TEST' / 'frames' / 'a_0' / f'{number}.jpg'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
  for name in ('a_0', 'b_0'):
    write_text(tmp_path / 'TEST' / 'anno' / f'{name}.txt', '5,6,7,8\n')
  (sequence,) = layouts.read('trackingnet', tmp_path)
  assert stems(sequence) == [str(number) for number in range(11)]
  assert sequence.box_xywh[0].tolist() == [5, 6, 7, 8]
  assert np.isnan(sequence.box_xywh[1:]).all()


def test_human4_has_only_its_second_target(tmp_path):
  write_images(tmp_path / 'Human4' / 'img', range(1, 3))
  (tmp_path / 'Human4' / 'groundtruth_rect.1.txt').touch()
  (tmp_path / 'Human4' / 'groundtruth_rect.2.txt').write_text(rows(2))
  assert [s.name for s in layouts.read('otb', tmp_path)] == ['Human4-2']


def test_parts_of_a_uav123_video_share_its_images(tmp_path):
  write_images(tmp_path / 'data_seq' / 'UAV123_10fps' / 'car1', range(1, 8))
  folder = tmp_path / 'anno' / 'UAV123_10fps'
  write_text(folder / 'car1_1.txt', rows(4))
  write_text(folder / 'car1_2.txt', rows(3) + 'NaN,NaN,NaN,NaN\n')
  first, second = layouts.read('uav123_10fps', tmp_path)
  assert stems(first) == ['0001', '0002', '0003', '0004']
  assert stems(second)[0] == '0004'
  assert second.visible.tolist() == [True, True, True, False]


def test_lost_frames_of_tinytlp_are_not_visible(tmp_path):
  write_images(tmp_path / 'Bike' / 'img', range(1, 3))
  file = tmp_path / 'Bike' / 'groundtruth_rect.txt'
  file.write_text('1,0,0,2,2,0\n2,0,0,2,2,1\n')
  (sequence,) = layouts.read('tinytlp', tmp_path)
  assert sequence.visible.tolist() == [True, False]
  file.write_text('1,0,0,2,2,0\n7,0,0,2,2,1\n')
  with pytest.raises(ValueError, match='row 2: image of frame 7 is missing'):
    layouts.read('tinytlp', tmp_path)


def test_vot_leaves_out_sequences_without_a_folder(tmp_path, caplog):
  write_images(tmp_path / 'bag' / 'color', range(1, 3))
  (tmp_path / 'list.txt').write_text('# all\nbag\nball1\n')
  (tmp_path / 'bag' / 'groundtruth.txt').write_text(
    '0,1,2,1,2,3,0,3\n1,1,2,2\n'
  )
  (sequence,) = layouts.read('vot', tmp_path)
  assert sequence.box_xywh.tolist() == [[0, 1, 2, 2], [1, 1, 2, 2]]
  (record,) = caplog.records
  assert record.getMessage() == (
    f'{tmp_path}/list.txt: sequences without a folder are left out: ball1'
  )


def test_names_in_the_list_of_vot_may_have_spaces_and_any_letters(tmp_path):
  names = ['my bag', 'Größe']
  for name in names:
    write_images(tmp_path / name / 'color', [1])
    write_text(tmp_path / name / 'groundtruth.txt', '1,1,2,2\n')
  text = '\r\n'.join(names)
  (tmp_path / 'list.txt').write_bytes(text.encode('utf-8-sig'))
  found = layouts.read('vot', tmp_path)
  assert {sequence.name for sequence in found} == set(names)


@pytest.mark.parametrize('forms', [('NFC', 'NFD'), ('NFD', 'NFC')])
def test_names_of_vot_may_be_written_by_another_system(tmp_path, forms):
  listed, named = (unicodedata.normalize(form, 'Größe') for form in forms)
  write_images(tmp_path / named / 'color', [1])
  write_text(tmp_path / named / 'groundtruth.txt', '1,1,2,2\n')
  write_text(tmp_path / 'list.txt', listed)
  (sequence,) = layouts.read('vot', tmp_path)
  assert sequence.name == listed
  assert sequence.frame_paths[0].is_file()


def test_a_folder_without_annotation_is_refused(tmp_path):
  write_images(tmp_path / 'mine' / 'img', [1])
  with pytest.raises(FileNotFoundError, match=r'mine/groundtruth.txt: no such'):
    layouts.read('folder', tmp_path)
  with pytest.raises(FileNotFoundError, match=r'groundtruth_rect.txt: no such'):
    layouts.read('otb', tmp_path)


def test_absence_labels_are_read(tmp_path):
  write_images(tmp_path / 'mine' / 'img', [1, 2])
  (tmp_path / 'mine' / 'groundtruth.txt').write_text(rows(2))
  (tmp_path / 'mine' / 'absent.txt').write_text('0\n1\n')
  (sequence,) = layouts.read('folder', tmp_path)
  assert sequence.visible.tolist() == [True, False]


@pytest.mark.parametrize('given', ['OTB100/Car1', 'OTB100/Car1/img', '.'])
def test_a_folder_that_is_a_level_off_is_told_the_right_one(tmp_path, given):
  for name in ('Boy', 'Car1'):
    write_images(tmp_path / 'OTB100' / name / 'img', [1])
    write_text(tmp_path / 'OTB100' / name / 'groundtruth_rect.txt', rows(1))
  shutil.copytree(tmp_path / 'OTB100', tmp_path / '.old')
  name = 'Car1' if 'Car1' in given else 'Boy'
  message = f'OTB100 has sequences in this layout, such as {name}: give that'
  with pytest.raises(layouts.NoSequence, match=message):
    layouts.read('otb', tmp_path / given)


@pytest.mark.parametrize('faulty', ['Boy', 'Car1'])
@pytest.mark.parametrize('given', ['OTB100/Car1', '.'])
def test_a_fault_does_not_hide_the_right_folder(tmp_path, given, faulty):
  for name in ('Boy', 'Car1'):
    write_images(tmp_path / 'OTB100' / name / 'img', [1])
    text = '1,2\n' if name == faulty else rows(1)
    write_text(tmp_path / 'OTB100' / name / 'groundtruth_rect.txt', text)
  with pytest.raises(layouts.NoSequence, match=r'OTB100 has .*: give that'):
    layouts.read('otb', tmp_path / given)


def test_the_right_folder_below_comes_before_one_above(tmp_path):
  for folder in ('OTB50', 'mine/OTB100'):
    write_images(tmp_path / folder / 'Boy' / 'img', [1])
    write_text(tmp_path / folder / 'Boy' / 'groundtruth_rect.txt', rows(1))
  (tmp_path / 'OTB50' / 'mine').mkdir()
  (tmp_path / 'mine').rename(tmp_path / 'OTB50' / 'mine' / 'data')
  with pytest.raises(layouts.NoSequence, match=r'data/OTB100 has sequences'):
    layouts.read('otb', tmp_path / 'OTB50' / 'mine')


def test_a_file_in_place_of_a_folder_is_named(tmp_path):
  (tmp_path / 'OTB100.zip').touch()
  with pytest.raises(ValueError, match=r'OTB100.zip: a file, not a folder; gi'):
    layouts.read('otb', tmp_path / 'OTB100.zip')


def test_one_sequence_of_vot_is_told_the_folder_with_the_list(tmp_path):
  write_images(tmp_path / 'bag' / 'color', [1])
  write_text(tmp_path / 'bag' / 'groundtruth.txt', '1,1,2,2\n')
  write_text(tmp_path / 'list.txt', 'bag\n')
  message = f'{tmp_path} has sequences in this layout, such as bag: give that'
  with pytest.raises(FileNotFoundError, match=message):
    layouts.read('vot', tmp_path / 'bag')


@pytest.mark.parametrize(
  ('layout', 'error', 'message'),
  [
    ('otb', ValueError, 'no sequence in the layout otb'),
    ('vot', FileNotFoundError, r'list.txt: no such file'),
    ('lasso', ValueError, "unknown layout 'lasso'; choose one of davis"),
  ],
  ids=['empty', 'no list', 'unknown'],
)
def test_a_wrong_root_is_refused(tmp_path, layout, error, message):
  with pytest.raises(error, match=message):
    layouts.read(layout, tmp_path)
