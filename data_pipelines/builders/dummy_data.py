"""Writes tiny files in the official layout of every data set.

    python -m data_pipelines.builders.dummy_data

The files include special cases. The output is deterministic, and the repository
contains it.
"""

import json
import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np

SIZE = (32, 48)


def image(number: int, size: tuple[int, int] = SIZE) -> bytes:
  """Returns a JPEG that differs for every number; `size` is height, width."""
  y, x = np.mgrid[: size[0], : size[1]]
  planes = [(x * 5 + 40 * number) % 256, (y * 7) % 256, (x + y + number) % 256]
  pixels = np.stack(planes, axis=-1).astype(np.uint8)
  flags = [cv2.IMWRITE_JPEG_QUALITY, 60]
  return cv2.imencode('.jpg', pixels, flags)[1].tobytes()


def _put(path: Path, content: bytes | str) -> None:
  path.parent.mkdir(parents=True, exist_ok=True)
  data = content.encode() if isinstance(content, str) else content
  path.write_bytes(data)


def _frames(folder: Path, numbers: range, name: str = '{:08d}.jpg') -> None:
  for number in numbers:
    _put(folder / name.format(number), image(number))


def got10k(root: Path) -> None:
  """Writes two videos.

  In one frame of the second video, the target is labelled as absent and as
  fully covered.
  """
  for number, absent, cover in ((1, '000', '888'), (2, '010', '808')):
    folder = root / 'train' / f'GOT-10k_Train_{number:06d}'
    _frames(folder, range(1, 4))
    rows = ''.join(f'{5 + i}.5000,6.2500,12.0000,9.0000\n' for i in range(3))
    _put(folder / 'groundtruth.txt', rows)
    _put(folder / 'absence.label', ''.join(f'{mark}\n' for mark in absent))
    _put(folder / 'cover.label', ''.join(f'{mark}\n' for mark in cover))
    _put(folder / 'cut_by_image.label', '0\n' * 3)
    _put(folder / 'meta_info.ini', '[METAINFO]\nanno_fps: 10Hz\n')
  _put(root / 'train' / 'list.txt', 'GOT-10k_Train_000001\n')


def lasot(root: Path) -> None:
  """Writes two training videos and a test video.

  One of the training videos has more images than its annotation has rows.
  """
  for name, images in (('airplane-2', 3), ('airplane-1', 3), ('monkey-1', 5)):
    folder = root / name.partition('-')[0] / name
    _frames(folder / 'img', range(1, images + 1))
    _put(folder / 'groundtruth.txt', '3,4,10,8\n4,5,10,8\n0,0,0,0\n')
    _put(folder / 'full_occlusion.txt', '0,1,0')
    _put(folder / 'out_of_view.txt', '0,0,1')
    _put(folder / 'nlp.txt', 'a thing\n')


def trackingnet(root: Path) -> None:
  """Writes a video with two-digit frame numbers and a zipped video."""
  for part, name, count in (
    ('TRAIN_0', 'aB-c_0', 11),
    ('TRAIN_1', '-x_1', 2),
  ):
    rows = ''.join(f'{2 + i}.0,3.0,8.5,7.5\n' for i in range(count))
    _put(root / part / 'anno' / f'{name}.txt', rows)
  _frames(root / 'TRAIN_0' / 'frames' / 'aB-c_0', range(11), '{}.jpg')
  packed = root / 'TRAIN_1' / 'zips' / '-x_1.zip'
  packed.parent.mkdir(parents=True, exist_ok=True)
  with zipfile.ZipFile(packed, 'w') as archive:
    for number in range(2):
      # A fixed time keeps the file deterministic.
      info = zipfile.ZipInfo(f'{number}.jpg', (2018, 1, 1, 0, 0, 0))
      archive.writestr(info, image(number))


def _xml(objects: list[tuple[str, tuple[int, int, int, int]]]) -> str:
  """Returns a Pascal VOC annotation.

  The annotation lists the edges of a box in ImageNet VID's order: xmax, xmin,
  ymax, ymin.

  Args:
    objects: For each object, the track ID and the box x1, y1, x2, y2. The ID is
      empty if the object has none.
  """
  inside = ''.join(
    f'<object>{f"<trackid>{track}</trackid>" if track else ""}<name>n0</name>'
    f'<bndbox><xmax>{x2}</xmax><xmin>{x1}</xmin><ymax>{y2}</ymax>'
    f'<ymin>{y1}</ymin></bndbox></object>'
    for track, (x1, y1, x2, y2) in objects
  )
  return f'<annotation>{inside}</annotation>\n'


def imagenet_vid(root: Path) -> None:
  """Writes a video of two targets, one of which is missing from one frame."""
  video = 'ILSVRC2015_VID_train_0000/ILSVRC2015_train_00000000'
  data = root / 'ILSVRC2015' / 'Data' / 'VID' / 'train' / video
  annotations = root / 'ILSVRC2015' / 'Annotations' / 'VID' / 'train' / video
  _frames(data, range(3), '{:06d}.JPEG')
  for number in range(3):
    objects = [('0', (4, 5, 20, 15))]
    if number != 1:
      objects.append(('1', (10, 8, 30, 28)))
    _put(annotations / f'{number:06d}.xml', _xml(objects))


def imagenet_det(root: Path) -> None:
  """Writes three images.

  The image from ILSVRC 2013 has two objects. Of the two images from ILSVRC
  2014, one has an object and the other has none.
  """
  data = root / 'ILSVRC' / 'Data' / 'DET' / 'train'
  annotations = root / 'ILSVRC' / 'Annotations' / 'DET' / 'train'
  two = [('', (4, 5, 20, 15)), ('', (10, 8, 30, 28))]
  for name, objects in (
    ('ILSVRC2013_train/n01/n01_1', two),
    ('ILSVRC2014_train_0000/ILSVRC2014_train_00000001', two[:1]),
    ('ILSVRC2014_train_0000/ILSVRC2014_train_00000002', []),
  ):
    _put(data / f'{name}.JPEG', image(len(objects)))
    _put(annotations / f'{name}.xml', _xml(objects))


def coco(root: Path) -> None:
  """Writes three images.

  The first has a crowd annotation, the second a box of width 0, and the third
  no annotations.
  """
  boxes = ((1, [4.5, 5.25, 16.0, 10.0], 0), (1, [0, 0, 40, 30], 1))
  boxes += ((2, [10.0, 8.0, 0.0, 20.0], 0), (2, [10.0, 8.0, 12.0, 20.0], 0))
  content = {
    'images': [
      {'id': i, 'file_name': f'{i:012d}.jpg', 'height': 32, 'width': 48}
      for i in (1, 2, 3)
    ],
    'categories': [{'id': 1, 'name': 'cat'}, {'id': 3, 'name': 'dog'}],
    'annotations': [
      {
        'id': 10 + n,
        'image_id': i,
        'category_id': 3 if n == 1 else 1,
        'bbox': box,
        'iscrowd': crowd,
      }
      for n, (i, box, crowd) in enumerate(boxes)
    ],
  }
  text = json.dumps(content)
  _put(root / 'annotations' / 'instances_train2017.json', text)
  _frames(root / 'train2017', range(1, 4), '{:012d}.jpg')


def youtube_bb(root: Path) -> None:
  """Writes the annotation of two videos, and some images of the first video.

  The target of the first video leaves the frame and returns. One image of the
  first video and all images of the second are missing.
  """
  rows = [
    'v1_a-,0,3,cat,0,present,0.1,0.5,0.25,0.75',
    'v1_a-,1000,3,cat,0,absent,-1,-1,-1,-1',
    'v1_a-,10000,3,cat,0,present,0.2,0.6,0.25,0.75',
    'v1_a-,11000,3,cat,0,present,0.2,0.6,0.25,0.75',
    'gone,0,3,cat,0,present,0.1,0.5,0.2,0.7',
  ]
  _put(root / 'yt_bb_detection_train.csv', '\n'.join(rows) + '\n')
  for number, time in enumerate((0, 1000, 10000)):
    name = f'v1_a-_{time}_3_0.jpg'
    _put(root / 'yt_bb_detection_train' / '3' / name, image(number))


def davis(root: Path) -> None:
  """Writes a video with masks as in DAVIS 2017 and one with masks as in 2016.

  The first has two objects in different colours, one of which leaves the frame;
  the second has one object, in white.
  """
  images = root / 'JPEGImages' / '480p'
  masks = root / 'Annotations' / '480p'
  for name in ('two', 'one'):
    _frames(images / name, range(2), '{:05d}.jpg')
    for number in range(2):
      if name == 'one':
        mask = np.zeros(SIZE, np.uint8)
        mask[4:14, 6:26] = 255
      else:
        # The first two colours of DAVIS's palette, as BGR.
        mask = np.zeros((*SIZE, 3), np.uint8)
        mask[2:10, 3:9] = (0, 0, 128)
        if number == 0:
          mask[12:20, 20:40] = (0, 128, 0)
      data = cv2.imencode('.png', mask)[1].tobytes()
      _put(masks / name / f'{number:05d}.png', data)


def crop511(root: Path) -> None:
  """Writes crops, and a table of the targets' boxes and sizes.

  The table gives some frames a box (x1, y1, x2, y2), and others a size (w, h).
  Besides frame numbers, it has the key 'meta', which readers must ignore.
  """
  rows = {'000000': [10, 20, 50, 40], '000003': [40, 20], 'meta': []}
  table = {'a/v1': {'00': rows, '01': {'000000': [0, 0, 0, 10]}}}
  _put(root / 'train.json', json.dumps(table))
  for name in ('000000.00', '000003.00', '000000.01'):
    _put(root / 'crop511' / 'a/v1' / f'{name}.x.jpg', image(1, (511, 511)))


def folder(root: Path) -> None:
  """Writes two sequences.

  Commas, tabs or spaces separate the four numbers of a box. One sequence has
  absence labels.
  """
  rows = {'a': '3,4,10,8\n4,4,10,8\n', 'b': '3\t4\t10\t8\n4 4 10 8\n'}
  for name, text in rows.items():
    _frames(root / name / 'img', range(1, 3), '{:04d}.jpg')
    _put(root / name / 'groundtruth.txt', text)
  _put(root / 'b' / 'absent.txt', '0\n1\n')


SETS = (
  got10k,
  lasot,
  trackingnet,
  imagenet_vid,
  imagenet_det,
  coco,
  youtube_bb,
  davis,
  crop511,
  folder,
)


def main() -> int:
  """Writes the files of all data sets into the builders' folders."""
  for write in SETS:
    write(Path(__file__).parent / write.__name__ / 'dummy_data')
  return 0


if __name__ == '__main__':
  sys.exit(main())
