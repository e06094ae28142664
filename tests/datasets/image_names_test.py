"""Names, order and numbers of the images of a folder."""

import random

import pytest

from acm_jax.datasets import image_names

# Names in the order in which they were taken.
ORDERED = {
  'padded': ['0009.jpg', '0010.jpg', '0100.png'],
  'unpadded': ['9.jpg', '10.jpg', '100.jpg'],
  'text after': ['9_rgb.jpg', '10_rgb.jpg'],
  'of a total': ['shot_9_of_10.jpg', 'shot_10_of_10.jpg'],
  'in brackets': ['frame (9).JPG', 'Frame (10).jpg'],
  'a size after': ['f9_640x480.bmp', 'f10_640x480.bmp'],
  'times': [
    '1305031102.975304.png',
    '1305031103.008804.png',
    '1305031103.040000.png',
  ],
  'times without zeros at the end': ['2.25.png', '2.5.png', '10.075.png'],
  'regular times': [f'{n}.png' for n in (2.5, 2.54, 2.58, 2.62, 2.66, 2.7)],
  'versions': ['2.1.png', '2.9.png', '2.10.png'],
  'a counter after a point': [f'cam1.{n}.png' for n in (1, 6, 11, 16, 21)],
  'a counter with a gap': [f'v1.{n}.png' for n in (*range(1, 10), 11, 12, 13)],
  'a padded counter that overflows': [
    f'v1.{n:02d}.png' for n in range(1, 111, 5)
  ],
  'a counter that wraps or has a gap': ['DSC_0001.JPG', 'DSC_9999.JPG'],
  'dates': ['2024.1.9.jpg', '2024.1.10.jpg', '2024.10.1.jpg'],
  'date and time': [
    'IMG_20240131_235959.jpg',
    'IMG_20240131_235959_2.jpg',
    'IMG_20240131_235959_10.jpg',
    'IMG_20240201_000000.jpg',
  ],
  'a counter within a second': ['12-59-59 9.jpg', '12-59-59 10.jpg'],
  'microseconds': ['1305031102975304.png', '1305031103008804.png'],
  'letters': ['a.jpg', 'B.jpg', 'c.jpg'],
}


@pytest.mark.parametrize('kind', ORDERED)
def test_images_are_in_natural_order(tmp_path, kind):
  shuffled = random.Random(0).sample(ORDERED[kind], len(ORDERED[kind]))
  for name in (*shuffled, 'notes.txt', '._0001.jpg'):
    (tmp_path / name).touch()
  (tmp_path / '.ipynb_checkpoints').mkdir()
  (tmp_path / 'folder.jpg').mkdir()
  found = image_names.of_folder(tmp_path)
  assert [path.name for path in found] == ORDERED[kind]


@pytest.mark.parametrize(
  ('names', 'message'),
  [
    ([], 'contains no images'),
    (['1.jpg', 'cover.jpg'], 'cover.jpg: no number in the name, unlike 1.jpg'),
    (['1.jpg', '01.jpg'], '1.jpg: same number as 01.jpg; remove one'),
    (['1.jpg', '1.png'], '1.png: same number as 1.jpg; remove one'),
    (['1_left.jpg', '1_right.jpg'], '1_right.jpg: same number as 1_left.jpg'),
    (['a.jpg', 'A.png'], 'a.jpg: same name as A.png; remove one'),
    (['1.9.jpg', '1.11.jpg'], 'the order .* as in 1.9.jpg and 1.11.jpg, and'),
    ([f'1.{n}.jpg' for n in (3, 5, 17, 42)], 'the order of the images is unkn'),
    (['2.25.png', '2.5.png', '10.1.png'], 'the order of the images is unknown'),
  ],
)
def test_images_of_unknown_order_are_refused(names, message):
  with pytest.raises(ValueError, match=f'clip(/|: ){message}'):
    image_names.in_order(names, 'clip')


def test_a_missing_folder_of_images_is_refused(tmp_path):
  with pytest.raises(FileNotFoundError, match='a: no such folder of frames'):
    image_names.of_folder(tmp_path / 'a')


@pytest.mark.parametrize('kind', ORDERED)
def test_an_order_that_is_not_obvious_is_logged_once(caplog, monkeypatch, kind):
  monkeypatch.setattr(image_names, '_logged', set())
  obvious = {'padded', 'unpadded', 'text after', 'of a total', 'in brackets'}
  obvious |= {'a size after', 'a counter within a second', 'microseconds'}
  for folder in ('one', 'two'):
    image_names.in_order(ORDERED[kind], folder)
  assert len(caplog.records) == (kind not in obvious)
  for record in caplog.records:
    message = record.getMessage()
    assert message.startswith('one: the order of the')
    assert message.endswith(ORDERED[kind][-1])


def test_a_message_lists_each_of_a_few_images_once(caplog, monkeypatch):
  monkeypatch.setattr(image_names, '_logged', set())
  for letters in ('ab', 'abcd', 'abcde'):
    image_names.in_order([f'{c}{letters}.jpg' for c in letters], 'clip')
  assert [record.getMessage().split(': ')[2] for record in caplog.records] == [
    'aab.jpg, bab.jpg',
    'aabcd.jpg, babcd.jpg, cabcd.jpg, dabcd.jpg',
    'aabcde.jpg, babcde.jpg, cabcde.jpg, ..., eabcde.jpg',
  ]


@pytest.mark.parametrize(
  ('kind', 'meaning'),
  [
    ('a counter after a point', 'numbers after points are counted, as in 1.9'),
    ('regular times', 'numbers with points are decimals'),
  ],
)
def test_a_message_says_what_points_mean(caplog, monkeypatch, kind, meaning):
  monkeypatch.setattr(image_names, '_logged', set())
  image_names.in_order(ORDERED[kind], 'clip')
  assert f'names, in which {meaning}' in caplog.records[0].getMessage()


@pytest.mark.parametrize(
  ('names', 'numbers'),
  [
    (['10.jpg', '9.jpg', '0100.png'], [9, 10, 100]),
    (['2_rgb.jpg', '1_rgb.jpg'], [1, 2]),
    (['a_2_of_5.jpg', 'a_1_of_5.jpg'], [1, 2]),
    (['cam2_0001.jpg'], [1]),
    (['cam1_0001.jpg', 'cam2_0002.jpg'], [1, 2]),
    (['v1.0002.jpg', 'v1.0001.jpg'], [1, 2]),
  ],
)
def test_the_number_of_an_image_is_the_one_that_changes(names, numbers):
  assert list(image_names.numbered(names, 'img')) == numbers


@pytest.mark.parametrize(
  ('names', 'message'),
  [
    (['cover.jpg'], 'img/cover.jpg: name does not end in a frame number'),
    (['1.jpg', '01.jpg'], 'img/1.jpg: same number as 01.jpg'),
    (['1.9.jpg', '2.8.jpg'], 'img: 2.8.jpg ends in a smaller number than 1.9'),
    (['1a.jpg', '2b.jpg'], 'img/1a.jpg: name does not end in a frame number'),
  ],
)
def test_images_without_numbers_of_their_own_are_refused(names, message):
  with pytest.raises(ValueError, match=message):
    image_names.numbered(names, 'img')


def test_each_row_has_the_image_of_its_number():
  files = {number: f'{number}.jpg' for number in (1, 2, 4, 5)}
  assert image_names.of_rows(files, 2, 'a', 'gt.txt') == ['1.jpg', '2.jpg']
  assert image_names.of_rows(files, 2, 'a', 'gt.txt', 4) == ['4.jpg', '5.jpg']
  with pytest.raises(ValueError, match=r'gt.txt row 3: image 3 of a is miss'):
    image_names.of_rows(files, 4, 'a', 'gt.txt')
  with pytest.raises(ValueError, match=r'gt.txt: 3 rows, but a has only 2 fr'):
    image_names.of_rows(files, 3, 'a', 'gt.txt', 4)
  with pytest.raises(ValueError, match=r'row 1: .* the first image is 4; add'):
    image_names.of_rows({4: '4.jpg', 5: '5.jpg'}, 2, 'a', 'gt.txt')


def test_rows_that_fit_images_from_0_and_from_1_are_refused():
  files = {number: f'{number}.jpg' for number in (0, 1, 2)}
  with pytest.raises(ValueError, match=r'gt.txt: 2 rows, but a has images 0 t'):
    image_names.of_rows(files, 2, 'a', 'gt.txt')
  assert image_names.of_rows(files, 3, 'a', 'gt.txt')[0] == '0.jpg'
  assert image_names.of_rows(files, 2, 'a', 'gt.txt', 1)[0] == '1.jpg'
