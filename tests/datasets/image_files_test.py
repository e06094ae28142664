"""Image files: depths, colours, orientation, ends of JPEGs and damage."""

import io
import re
import struct
import warnings
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from etils import epath

from acm_jax.datasets import image_files, layouts, sources, trees, videos
from acm_jax.datasets.image_files import Reader
from acm_jax.datasets.image_names import SUFFIXES

RNG = np.random.default_rng(0)
COLOR = cv2.resize(RNG.integers(0, 256, (6, 8, 3), np.uint8), (48, 36))
GREY = COLOR[..., 0]
# A warm target moves through a cold scene, as in thermal video.
THERMAL = [7000 + 4 * np.roll(np.uint16(GREY), i, 1) for i in range(4)]
THERMAL[2][:5] = 9999


def write(folder, images, suffix='.png'):
  folder.mkdir(parents=True, exist_ok=True)
  paths = [folder / f'{i:04d}{suffix}' for i in range(1, len(images) + 1)]
  for path, image in zip(paths, images, strict=True):
    assert cv2.imwrite(str(path), image)
  return paths


def pil_file(path, mode=None, **options):
  """Writes the RGB image COLOR with PIL, converted to a mode."""
  image = pytest.importorskip('PIL.Image').fromarray(COLOR)
  image.convert(mode or 'RGB').save(path, **options)
  return path


def jpeg(**options):
  file = io.BytesIO()
  image = pytest.importorskip('PIL.Image').fromarray(COLOR)
  image.save(file, 'JPEG', **options)
  return file.getvalue()


def exif(orientation):
  entries = pytest.importorskip('PIL.Image').Exif()
  entries[0x112] = orientation
  return entries


def stretched(image, first):
  """Stretches by all but the extreme thousandths of the first image."""
  low, high = np.quantile(first, (0.001, 0.999))
  scaled = np.rint((image.astype(float) - low) * (255 / (high - low)))
  return np.clip(scaled, 0, 255).astype(np.uint8)


def thermal_rgb(i):
  return stretched(THERMAL[i], THERMAL[0])[..., None].repeat(3, 2)


@pytest.mark.parametrize('suffix', SUFFIXES)
def test_every_format_is_read_as_rgb(tmp_path, suffix):
  (path,) = write(tmp_path, [COLOR[..., ::-1]], suffix)
  rgb = image_files.read(path)
  assert (rgb.shape, rgb.dtype) == (COLOR.shape, np.uint8)
  # JPEG and WebP are lossy; swapped channels would differ by 60 on average.
  assert np.abs(rgb.astype(int) - COLOR).mean() < 10
  assert image_files.size(path) == COLOR.shape[:2]


@pytest.mark.parametrize('suffix', ['.png', '.tif', '.jpg', '.webp'])
def test_grey_is_repeated_in_all_channels(tmp_path, suffix):
  (path,) = write(tmp_path, [GREY], suffix)
  rgb = image_files.read(path)
  assert np.ptp(rgb, axis=2).max() == 0
  # JPEG and WebP are lossy.
  assert np.abs(rgb[..., 0].astype(int) - GREY).mean() < 10


@pytest.mark.parametrize(
  ('name', 'mode', 'error'),
  [
    ('a.png', 'RGBA', 0),
    ('a.tif', 'RGBA', 0),
    # Rounding of luminance; PIL and this test convert alike.
    ('a.png', 'LA', 0),
    # A palette has few colours, and inks are not printed but inverted.
    ('a.png', 'P', 20),
    ('a.jpg', 'CMYK', 10),
  ],
)
def test_alpha_is_dropped_and_palettes_and_inks_are_converted(
  tmp_path, name, mode, error
):
  rgb = image_files.read(pil_file(tmp_path / name, mode))
  image = pytest.importorskip('PIL.Image').fromarray(COLOR)
  expected = np.asarray(image.convert(mode).convert('RGB'))
  assert np.abs(rgb.astype(int) - expected).mean() <= error


def test_transparent_pixels_keep_their_colours(tmp_path):
  transparent = np.zeros_like(GREY)
  (path,) = write(tmp_path, [np.dstack([COLOR[..., ::-1], transparent])])
  np.testing.assert_array_equal(image_files.read(path), COLOR)


def tiff(path, values, tags):
  """Writes values of shape h, w, c in the form that tags define."""
  height, width, channels = values.shape
  bits = np.full(channels, 8 * values.itemsize, np.uint16).tobytes()
  tags = {256: width, 257: height, 258: bits, 259: 1, 273: 8, **tags}
  tags |= {277: channels, 278: height, 279: values.nbytes}
  extra = 8 + values.nbytes
  entries = b''
  for tag, value in sorted(tags.items()):
    kind, count = (3, channels) if value == bits else (4, 1)
    if value == bits:
      value = extra if len(bits) > 4 else int.from_bytes(bits, 'little')
    entries += struct.pack('<HHII', tag, kind, count, value)
  path.write_bytes(
    struct.pack('<2sHI', b'II', 42, extra + len(bits))
    + values.tobytes()
    + bits
    + struct.pack('<H', len(tags))
    + entries
    + bytes(4)
  )
  return path


@pytest.mark.parametrize('alpha', [0, 1, 2])
@pytest.mark.parametrize('depth', [np.uint8, np.uint16])
def test_transparent_pixels_of_a_tiff_keep_their_colours(
  tmp_path, depth, alpha
):
  opacity = np.zeros_like(GREY)
  opacity[:, ::2] = 100
  values = np.dstack([COLOR, opacity]).astype(depth)
  path = tiff(tmp_path / 'a.tif', values, {262: 2, 338: alpha})
  np.testing.assert_array_equal(
    image_files.stored(path)[..., ::-1], COLOR.astype(depth)
  )


@pytest.mark.parametrize(
  ('depth', 'form'), [(np.uint8, 1), (np.uint16, 1), (np.int16, 2), ('f4', 3)]
)
def test_a_tiff_with_white_at_0_is_inverted(tmp_path, depth, form):
  paths = [
    tiff(tmp_path / f'{kind}.tif', GREY[..., None].astype(depth), tags)
    for kind in (0, 1)
    for tags in [{262: kind, 339: form}]
  ]
  white_at_0, black_at_0 = map(image_files.read, paths)
  np.testing.assert_array_equal(white_at_0, 255 - black_at_0)


@pytest.mark.parametrize('order', [(0, 1, 2, 3), (3, 2, 1, 0)], ids=str)
@pytest.mark.parametrize('suffix', ['.png', '.tif'])
def test_deep_images_are_stretched_by_the_range_of_the_first(
  tmp_path, caplog, suffix, order
):
  paths = write(tmp_path, THERMAL, suffix)
  read = Reader(paths[0])
  for i in order:
    np.testing.assert_array_equal(read(paths[i]), thermal_rgb(i))
  (record,) = caplog.records
  low, high = np.quantile(THERMAL[0], (0.001, 0.999))
  assert record.getMessage() == (
    f'{paths[0]}: has more than 8 bits per channel; its values from {low:g} to '
    f'{high:g}, which are all but the lowest and highest 0.1 %, become 0 to '
    '255 in the whole sequence'
  )


def test_threads_share_one_range_and_one_message(tmp_path, caplog):
  paths = write(tmp_path, THERMAL * 8)
  read = Reader(paths[0])
  with ThreadPoolExecutor(8) as pool:
    found = list(pool.map(read, reversed(paths)))
  np.testing.assert_array_equal(found[-1], thermal_rgb(0))
  assert len(caplog.records) == 1


def test_colours_of_16_bits_share_one_range(tmp_path):
  deep = COLOR.astype(np.uint16) * 16 + 100
  (path,) = write(tmp_path, [deep[..., ::-1]])
  np.testing.assert_array_equal(image_files.read(path), stretched(deep, deep))


@pytest.mark.parametrize('value', [0, 65535])
def test_a_dead_pixel_does_not_widen_the_range(tmp_path, value):
  dead = THERMAL[0].copy()
  dead[3, 4] = value
  first, second = write(tmp_path, [dead, THERMAL[1]])
  grey = Reader(first)(second)[..., 0]
  assert np.abs(grey.astype(int) - thermal_rgb(1)[..., 0]).max() <= 3


def test_few_values_that_differ_from_all_others_are_a_range(tmp_path):
  depth = np.full_like(THERMAL[0], 7)
  depth[3, 4] = 9
  (path,) = write(tmp_path, [depth])
  grey = image_files.read(path)[..., 0]
  assert (grey[3, 4], grey.sum()) == (255, 255)


@pytest.mark.parametrize('depth', ['u2', '>u2', 'i2', 'i1', 'i4', 'f4', 'f8'])
def test_all_types_of_numbers_are_stretched_alike(depth):
  values = (GREY // 4).astype(depth)
  grey = image_files.to_8_bits(values, image_files.Levels(3.5, 60))[..., 0]
  expected = np.clip(np.rint((GREY // 4 - 3.5) * (255 / 56.5)), 0, 255)
  np.testing.assert_array_equal(grey, expected)


def test_values_that_are_not_finite_do_not_widen_the_range(tmp_path):
  depth = GREY.astype(np.float32)
  depth[0, :3] = np.nan, np.inf, -np.inf
  (path,) = write(tmp_path, [depth], '.tif')
  with warnings.catch_warnings():
    warnings.simplefilter('error')
    grey = image_files.read(path)[..., 0]
  assert grey[0, :3].tolist() == [0, 255, 0]
  expected = stretched(depth[1:], depth[1:])
  # The excluded row may hold some of the extremes.
  assert np.abs(grey[1:].astype(int) - expected).max() <= 3


@pytest.mark.parametrize(
  ('images', 'message'),
  [
    ([GREY, THERMAL[1]], r'0002\.png: has more than 8 .*0001\.png, has 8; c'),
    ([THERMAL[1], GREY], r'0002\.png: has 8 .*0001\.png, has more; c'),
  ],
  ids=['deep image', 'deep first image'],
)
def test_a_sequence_of_several_depths_is_refused(tmp_path, images, message):
  paths = write(tmp_path, images)
  read = Reader(paths[0])
  read(paths[0])
  with pytest.raises(ValueError, match=message):
    read(paths[1])


def test_a_first_image_without_a_range_is_refused(tmp_path):
  first, second = write(tmp_path, [np.full_like(THERMAL[0], 7), THERMAL[1]])
  with pytest.raises(ValueError, match=r'0001\.png: .* a single value'):
    Reader(first)(second)


def test_all_readers_of_a_sequence_stretch_alike(tmp_path):
  write(tmp_path / 'video' / 'img', THERMAL)
  boxes = tmp_path / 'video' / 'groundtruth.txt'
  boxes.write_text('2,3,20,20\n' * len(THERMAL))
  (sequence,) = layouts.read('folder', tmp_path)
  video = videos.open_video(str(tmp_path / 'video' / 'img'))
  source, tree = sources.make('folder'), trees.open_tree(epath.Path(tmp_path))
  (track,) = source.tracks(tree, *source.units(tree))
  for i, (frame, _, _) in enumerate(video.frames):
    np.testing.assert_array_equal(frame, thermal_rgb(i))
    np.testing.assert_array_equal(sequence.frame(i), frame)
    np.testing.assert_array_equal(track.image(i), frame)


@pytest.mark.parametrize('name', ['a.jpg', 'a.png', 'a.webp'])
def test_pixels_stay_where_the_file_stores_them(tmp_path, caplog, name):
  path = pil_file(tmp_path / name, exif=exif(6))
  assert cv2.imread(str(path)).shape[:2] == COLOR.shape[1::-1]
  read = Reader(path)
  for _ in range(2):
    # JPEG and WebP are lossy.
    assert np.abs(read(path).astype(int) - COLOR).mean() < 10
  (record,) = caplog.records
  assert f'{path}: the EXIF orientation is ignored' in record.getMessage()


def test_an_upright_orientation_is_not_mentioned(tmp_path, caplog):
  path = pil_file(tmp_path / 'a.jpg', exif=exif(1))
  Reader(path)(path)
  assert not caplog.records


@pytest.mark.parametrize('several', [True, False])
@pytest.mark.parametrize('name', ['a.png', 'a.webp', 'a.tif'])
def test_the_first_of_several_pictures_is_read(tmp_path, caplog, name, several):
  other = pytest.importorskip('PIL.Image').fromarray(255 - COLOR)
  more = {'save_all': True, 'append_images': [other]} if several else {}
  path = pil_file(tmp_path / name, **more)
  read = Reader(path)
  for _ in range(2):
    # WebP is lossy.
    assert np.abs(read(path).astype(int) - COLOR).mean() < 10
  messages = [record.getMessage() for record in caplog.records]
  assert len(messages) == several
  assert all(f'{path}: holds several pictures' in m for m in messages)


KINDS = [
  {},
  {'progressive': True},
  {'restart_marker_rows': 1},
  {'subsampling': 0, 'quality': 98, 'optimize': True},
]


@pytest.mark.parametrize('options', KINDS, ids=str)
@pytest.mark.parametrize(
  'change',
  [
    lambda data: data + b'\xff\xda video \xff\xd8\xff\xe1' * 9,
    lambda data: data + data,
    lambda data: data + bytes(4096),
    lambda data: data[:-1],
    lambda data: data[:-2],
    lambda data: data[:-2] + bytes(4096),
  ],
  ids=['video', 'image', 'zeros', 'half end', 'no end', 'zeros, no end'],
)
def test_a_whole_jpeg_is_decoded_whatever_follows_its_pixels(
  tmp_path, options, change
):
  (tmp_path / 'a.jpg').write_bytes(jpeg(**options))
  (tmp_path / 'b.jpg').write_bytes(change(jpeg(**options)))
  np.testing.assert_array_equal(
    image_files.read(tmp_path / 'b.jpg'), image_files.read(tmp_path / 'a.jpg')
  )


@pytest.mark.parametrize('options', KINDS, ids=str)
@pytest.mark.parametrize('filled', [0, 4096], ids=['cut', 'filled up'])
@pytest.mark.parametrize('missing', [5, 20, 100, 300, 900])
def test_a_jpeg_without_all_of_its_pixels_is_named(
  tmp_path, options, filled, missing
):
  data = jpeg(**options)[:-missing] + bytes(filled)
  (tmp_path / 'a.jpg').write_bytes(data)
  with pytest.raises(
    ValueError, match=r'a\.jpg: cannot be decoded as an image'
  ):
    image_files.read(tmp_path / 'a.jpg')


def test_a_jpeg_cut_between_two_restarts_is_named(tmp_path):
  data = jpeg(restart_marker_rows=1)
  for marker in (b'\xff\xd0', b'\xff\xd1'):
    for end in (data.index(marker), data.index(marker) + 2):
      (tmp_path / 'a.jpg').write_bytes(data[:end])
      with pytest.raises(ValueError, match=r'a\.jpg: cannot be decoded'):
        image_files.read(tmp_path / 'a.jpg')


@pytest.mark.parametrize('options', KINDS, ids=str)
@pytest.mark.parametrize(
  'change',
  [
    lambda data: data[: len(data) * 2 // 3] + b'\xff\xd9',
    lambda data: data[:-900] + data[-600:],
    lambda data: data[:-900] + bytes(512) + data[-388:],
  ],
  ids=['cut', 'dropped', 'zeros'],
)
def test_a_damaged_jpeg_with_an_end_is_named(tmp_path, options, change):
  (tmp_path / 'a.jpg').write_bytes(change(jpeg(**options)))
  with pytest.raises(ValueError, match=r'a\.jpg: cannot be decoded'):
    image_files.read(tmp_path / 'a.jpg')


def surplus_jpeg():
  """Returns a JPEG with bytes between the last pixel and the end marker."""
  data = jpeg()
  return data[:-2] + b'\x11' * 20 + data[-2:]


def test_a_jpeg_with_surplus_bytes_is_read_and_named_once(tmp_path, caplog):
  (tmp_path / 'a.jpg').write_bytes(jpeg())
  (tmp_path / 'b.jpg').write_bytes(surplus_jpeg())
  for _ in range(2):
    np.testing.assert_array_equal(
      image_files.read(tmp_path / 'b.jpg'), image_files.read(tmp_path / 'a.jpg')
    )
  (record,) = caplog.records
  damage = r'Corrupt JPEG data: \d+ extraneous bytes before marker 0xd9'
  message = rf'b\.jpg: the JPEG may be damaged \({damage}\)'
  assert re.search(message, record.getMessage())


def test_a_jpeg_with_another_fault_is_named(tmp_path, caplog):
  data = jpeg()
  # Ends within the header of the coded pixels.
  end = data.index(b'\xff\xda') + 13
  (tmp_path / 'a.jpg').write_bytes(data[:end] + b'\xff\xd9')
  image_files.read(tmp_path / 'a.jpg')
  (record,) = caplog.records
  assert 'a.jpg: the JPEG may be damaged (Invalid SOS' in record.getMessage()


def test_threads_name_only_the_damaged_files(tmp_path, caplog):
  contents = {'good': jpeg(), 'surplus': surplus_jpeg(), 'cut': jpeg()[:-900]}
  contents['cut'] += b'\xff\xd9'
  paths = [tmp_path / f'{i}_{kind}.jpg' for i in range(50) for kind in contents]
  for path in paths:
    path.write_bytes(contents[path.stem.split('_')[1]])

  def read(path):
    try:
      image_files.read(path)
    except ValueError:
      return path

  with ThreadPoolExecutor(8) as pool:
    refused = set(pool.map(read, paths)) - {None}
  assert refused == {path for path in paths if 'cut' in path.stem}
  named = {record.getMessage().partition(':')[0] for record in caplog.records}
  assert named == {str(path) for path in paths if 'surplus' in path.stem}


@pytest.mark.parametrize('suffix', SUFFIXES)
@pytest.mark.parametrize('kept', [0, 1, 30, 0.5, 0.9], ids=str)
def test_a_file_that_was_cut_off_is_named(tmp_path, suffix, kept):
  (path,) = write(tmp_path, [COLOR], suffix)
  data = path.read_bytes()
  length = int(kept * len(data)) if 0 < kept < 1 else kept
  path.write_bytes(data[:length])
  with pytest.raises(ValueError, match=rf'0001\{suffix}: cannot be decoded'):
    image_files.read(path)


def test_a_missing_image_is_named(tmp_path):
  for path in (tmp_path / 'a.jpg', tmp_path):
    with pytest.raises(FileNotFoundError, match=f'{path}: no such file; add'):
      image_files.read(path)
