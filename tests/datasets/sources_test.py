"""Rules for all training sets, and the folder of the user's own sequences."""

import shutil

import numpy as np
import pytest

from acm_jax.datasets import sources
from acm_jax.datasets.sources import folder as own
from data_pipelines.builders import dummy_data
from tests.datasets.dummy_sets import WRITERS, boxes, read


def test_every_set_has_a_reader_and_dummy_files():
  assert sorted(WRITERS) == sources.names()


@pytest.mark.parametrize('name', WRITERS)
def test_the_docstring_of_a_reader_shows_the_layout(name):
  assert '    ' in sources.described(name)


def test_an_unknown_set_is_refused_with_the_known_ones():
  with pytest.raises(ValueError, match="data set 'voc'; choose one of coco"):
    sources.make('voc')


@pytest.mark.parametrize('name', WRITERS)
def test_the_dummy_files_in_the_repository_are_up_to_date(tmp_path, name):
  folder = dummy_data.Path(dummy_data.__file__).parent / name / 'dummy_data'
  WRITERS[name](tmp_path)
  written = {p.relative_to(tmp_path): p for p in tmp_path.rglob('*.*')}
  kept = {p.relative_to(folder): p for p in folder.rglob('*.*')}
  assert written.keys() == kept.keys()
  for path in written:
    # Another version of OpenCV may encode images differently.
    if path.suffix not in ('.jpg', '.JPEG', '.png', '.zip'):
      assert written[path].read_bytes() == kept[path].read_bytes(), path


@pytest.mark.parametrize('name', [n for n in WRITERS if n != 'trackingnet'])
def test_a_packed_set_is_read_like_an_unpacked_one(tmp_path, name):
  WRITERS[name](tmp_path / 'files')
  packed = shutil.make_archive(str(tmp_path / 'all'), 'zip', tmp_path / 'files')
  plain, zipped = read(name, tmp_path / 'files'), read(name, packed)
  assert plain.keys() == zipped.keys()
  for key, track in plain.items():
    np.testing.assert_array_equal(track.box_xywh, zipped[key].box_xywh)
    np.testing.assert_array_equal(track.image(0), zipped[key].image(0))


@pytest.mark.parametrize('name', WRITERS)
def test_an_empty_folder_is_refused(tmp_path, name):
  with pytest.raises(FileNotFoundError, match=str(tmp_path)):
    read(name, tmp_path)


@pytest.mark.parametrize(
  ('name', 'image', 'missing'),
  [
    ('lasot', 'monkey/monkey-1/img/00000002.jpg', 2),
    ('got10k', 'train/GOT-10k_Train_000001/00000001.jpg', 1),
    ('trackingnet', 'TRAIN_0/frames/aB-c_0/0.jpg', 0),
  ],
)
def test_a_row_is_never_assigned_to_another_image(
  write_set, name, image, missing
):
  root = write_set(name)
  path = root / image
  path.unlink()
  # The number of images is the same as before.
  (path.parent / '99999999.jpg').write_bytes(dummy_data.image(0))
  message = f'image {missing} of .* is missing'
  with pytest.raises(ValueError, match=message):
    read(name, root)


@pytest.mark.parametrize(
  ('rows', 'message'),
  [
    ('1,2,3\n', 'row 1: 3 values, not 4'),
    ('1,2,3,4\n1,2,3,4,5\n', 'row 2: 5 values, not 4'),
    ('1,2,3,x\n', "row 1: '1,2,3,x' contains a value that"),
    ('', 'contains no boxes'),
    ('1,2,3,4\n' * 9, '9 rows, but .* has only 2 frames'),
  ],
  ids=['short', 'long', 'letters', 'empty', 'more'],
)
def test_a_bad_annotation_is_named_with_its_row(write_set, rows, message):
  root = write_set('folder')
  (root / 'a' / 'groundtruth.txt').write_text(rows)
  with pytest.raises(ValueError, match=f'a/groundtruth.txt.*{message}'):
    read('folder', root)


@pytest.mark.parametrize('encoding', ['utf-8-sig', 'utf-16'])
def test_annotations_may_begin_with_a_byte_order_mark(write_set, encoding):
  root = write_set('folder')
  expected = read('folder', root)['a'].box_xywh
  path = root / 'a' / 'groundtruth.txt'
  text = path.read_text().replace('\n', ',\r\n')
  path.write_bytes(text.encode(encoding))
  np.testing.assert_array_equal(read('folder', root)['a'].box_xywh, expected)


def test_a_missing_annotation_is_named(write_set):
  root = write_set('folder')
  (root / 'b' / 'groundtruth.txt').unlink()
  with pytest.raises(FileNotFoundError, match=r'b/groundtruth.txt: no such'):
    read('folder', root)


def test_a_missing_file_of_labels_is_named(write_set):
  root = write_set('got10k')
  next(root.rglob('absence.label')).unlink()
  with pytest.raises(FileNotFoundError, match=r'absence\.label: no such file'):
    read('got10k', root)


@pytest.mark.parametrize('packed', [False, True])
def test_a_single_folder_around_the_sequences_is_passed(
  tmp_path, write_set, packed
):
  root, outer = write_set('folder'), tmp_path / 'outer'
  expected = read('folder', root)
  shutil.copytree(root, outer / 'mine')
  path = shutil.make_archive(str(outer), 'zip', outer) if packed else outer
  found = read('folder', path)
  assert found.keys() == expected.keys()
  np.testing.assert_array_equal(found['a'].image(1), expected['a'].image(1))


@pytest.mark.parametrize(
  'content', [b'', b'\xff\xd8cut'], ids=['empty', 'truncated']
)
def test_an_unreadable_image_is_named(write_set, content):
  root = write_set('folder')
  (root / 'a' / 'img' / '0002.jpg').write_bytes(content)
  track = read('folder', root)['a']
  with pytest.raises(ValueError, match=r'a/img/0002.jpg: cannot be decoded'):
    track.image(1)


def test_two_images_of_one_number_are_refused(write_set):
  root = write_set('folder')
  (root / 'a' / 'img' / '2.jpg').write_bytes(dummy_data.image(0))
  with pytest.raises(ValueError, match=r'a/img/2.jpg: same number as 0002'):
    read('folder', root)


def test_a_folder_may_use_commas_tabs_spaces_and_absence_labels(write_set):
  tracks = read('folder', write_set('folder'))
  expected = [[3, 4, 10, 8], [4, 4, 10, 8]]
  assert boxes(tracks['a']) == boxes(tracks['b']) == expected
  assert tracks['a'].visible.tolist() == [True, True]
  assert tracks['b'].visible.tolist() == [True, False]


def test_a_folder_may_skip_numbers_of_unannotated_images(write_set):
  root = write_set('folder')
  (root / 'a' / 'img' / '0002.jpg').rename(root / 'a' / 'img' / '0009.jpg')
  assert read('folder', root)['a'].frame_number.tolist() == [0, 1]
  (root / 'a' / 'img' / '0010.jpg').write_bytes(dummy_data.image(0))
  with pytest.raises(ValueError, match='row 2: image 2 of a is missing'):
    read('folder', root)


def test_frames_with_times_as_names_are_counted_one_by_one(write_set):
  root = write_set('folder')
  folder = root / 'a' / 'img'
  (folder / '0002.jpg').rename(folder / '1305031102.975304.jpg')
  (folder / '0001.jpg').rename(folder / '1305031103.008804.jpg')
  track = read('folder', root)['a']
  assert track.frame_number.tolist() == [0, 1]
  assert track.files[0] == 'a/img/1305031102.975304.jpg'
  (folder / '1305031103.040000.jpg').write_bytes(dummy_data.image(0))
  message = '2 rows for 3 images, whose names do not count one by one'
  with pytest.raises(ValueError, match=message):
    read('folder', root)


@pytest.mark.parametrize('name', WRITERS)
def test_hidden_files_of_a_set_are_left_out(write_set, name):
  root = write_set(name)
  before = read(name, root)
  for path in [p for p in root.rglob('*') if p.is_file()]:
    path.with_name(f'._{path.name}').write_bytes(b'metadata')
  for folder in ('.git', '__MACOSX', '@eaDir'):
    shutil.copytree(root, root / folder, ignore=lambda *_: {'.git', '__MACOSX'})
  assert read(name, root).keys() == before.keys()
  if name != 'trackingnet':
    packed = shutil.make_archive(str(root.parent / 'hidden'), 'zip', root)
    assert read(name, packed).keys() == before.keys()


def test_images_without_a_row_are_counted(write_set):
  root = write_set('folder')
  (root / 'a' / 'img' / '0003.jpg').write_bytes(dummy_data.image(0))
  assert read('folder', root)['a'].spare == 1


def test_real_videos_of_davis_are_read(real_data):
  tracks = read('davis', real_data / 'sequences' / 'DAVIS')
  assert len(tracks) >= 20
  assert all(len(track.files) > 20 for track in tracks.values())


NUMBERED = [f'clip.{number:03d}' for number in range(1001)]


@pytest.mark.parametrize(
  ('names', 'videos'),
  [
    (['clip.000', 'clip.001', 'clip'], ['clip', 'clip', 'clip']),
    (['drive.2024', 'drive.2025'], ['drive.2024', 'drive.2025']),
    (['drive.2024.000', 'drive.2025.000'], ['drive.2024', 'drive.2025']),
    (['take.1', 'take.2', '1.5x'], ['take.1', 'take.2', '1.5x']),
    (['a.000.000120.03', 'a.000.001000.12'], ['a', 'a']),
    (['a.2024.001.000120.03', 'a.000120.03'], ['a.2024', 'a.000120.03']),
    (NUMBERED, ['clip'] * 1001),
    (['clip.000', 'clip.1000'], ['clip', 'clip.1000']),
  ],
  ids=lambda value: str(value[0]),
)
def test_a_video_has_the_sequences_that_were_named_after_it(names, videos):
  assert own.videos(names) == dict(zip(names, videos, strict=True))
