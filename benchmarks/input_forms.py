"""Alternative input pipelines, for `acm-jax speed --part input --against`."""

import os
import shutil
import tempfile
import weakref
from pathlib import Path

import cv2
import numpy as np

from data_pipelines import host_tensorflow


def bare_decode(pairs, sides):
  """Returns a function that only decodes the training images, with tf.data.

  Args:
    pairs: Template image and search image of each pair, as JPEG bytes.
    sides: Sides of the centred regions to decode in template and search image,
      px.

  Returns:
    A function that returns the number of decoded pairs.
  """
  tf = host_tensorflow.load()
  jpegs = tf.constant([list(pair) for pair in pairs])

  def decode(pair):
    images = []
    for i, side in enumerate(sides):
      corner = (tf.image.extract_jpeg_shape(pair[i])[0] - side) // 2
      window = tf.stack([corner, corner, side, side])
      images.append(tf.image.decode_and_crop_jpeg(pair[i], window, channels=3))
    return tuple(images)

  def run():
    images = tf.data.Dataset.from_tensor_slices(jpegs).map(
      decode, num_parallel_calls=len(os.sched_getaffinity(0))
    )
    # TensorFlow itself counts the pairs. Otherwise, the time for passing images
    # to Python would be included.
    return int(images.reduce(0, lambda count, _: count + 1))

  return run


def official_operations(pairs, sides):
  """Returns a function that does the work of pysot's loader, in one thread.

  For each pair, the function reads and warps two images, adds colour noise,
  blurs one image in five and makes label maps.

  Args:
    pairs: Template image and search image of each pair, as JPEG bytes.
    sides: Not used; whole images are decoded.

  Returns:
    A function that returns the number of processed pairs.
  """
  del sides
  folder = Path(tempfile.mkdtemp())
  files = []
  for number, pair in enumerate(pairs):
    files.append([])
    for i, jpeg in enumerate(pair):
      files[-1].append(folder / f'{number}.{i}.jpg')
      files[-1][-1].write_bytes(jpeg)
  anchors = _anchors()

  def run():
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    rng = np.random.default_rng(0)
    for pair in files:
      for file, side in zip(pair, (127, 255), strict=True):
        _image(cv2.imread(str(file)), side, rng)
      _labels(anchors, rng)
    cv2.setNumThreads(threads)
    return len(files)

  weakref.finalize(run, shutil.rmtree, folder)
  return run


def _image(image, side, rng):
  scale = side / 511 * (1 + rng.uniform(-0.18, 0.18)) * 2
  x, y = rng.uniform(-64, 64, 2)
  matrix = np.array([[scale, 0, x], [0, scale, y]])
  crop = cv2.warpAffine(image, matrix, (side, side)).astype(np.float32)
  crop -= (_COLOURS @ rng.standard_normal((3, 1))).reshape(3).astype(np.float32)
  if rng.uniform() < 0.2:
    size = int(rng.integers(2, 23)) * 2 + 1
    kernel = np.zeros((size, size))
    kernel[size // 2] = 1 / size
    crop = cv2.filter2D(crop, -1, kernel)
  return crop.transpose(2, 0, 1).copy()


# Matrix of the colour noise; the values do not affect the time.
_COLOURS = np.array([[0.5, 0.3, 0.1], [0.2, 0.4, 0.2], [0.1, 0.3, 0.6]])


def _anchors():
  """Returns the corners of five anchors per cell, [4, 5, 25, 25]."""
  ratios = np.array([0.33, 0.5, 1, 2, 3])
  w, h = 64 / np.sqrt(ratios), 64 * np.sqrt(ratios)
  centers = 8 * (np.arange(25) - 12) + 127
  shape = (5, 25, 25)
  x = np.broadcast_to(centers, shape)
  y = np.broadcast_to(centers[:, None], shape)
  w, h = (np.broadcast_to(v[:, None, None], shape) for v in (w, h))
  return np.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2])


def _labels(anchors, rng):
  """Makes labels, offsets and weights of the anchors for a random box."""
  x, y = rng.uniform(80, 170, 2)
  box = np.array([x - 30, y - 20, x + 30, y + 20]).reshape(4, 1, 1, 1)
  low, high = np.maximum(anchors[:2], box[:2]), np.minimum(anchors[2:], box[2:])
  both = np.prod(np.maximum(high - low, 0), axis=0)
  areas = np.prod(anchors[2:] - anchors[:2], axis=0)
  overlap = both / (areas + 60 * 40 - both)
  size = anchors[2:] - anchors[:2]
  center = (anchors[:2] + anchors[2:]) / 2
  offsets = np.concatenate(
    [
      (np.array([x, y]).reshape(2, 1, 1, 1) - center) / size,
      np.log(np.array([60, 40]).reshape(2, 1, 1, 1) / size),
    ]
  )
  label = np.full(overlap.shape, -1)
  for candidates, count, value in (
    (np.argwhere(overlap > 0.6), 16, 1),
    (np.argwhere(overlap < 0.3), 48, 0),
  ):
    chosen = rng.permutation(len(candidates))[:count]
    label[tuple(candidates[chosen].T)] = value
  return label, offsets, np.where(label == 1, 1 / 16, 0.0)


OTHERS = {
  'input': {
    'bare decode': bare_decode,
    'official operations': official_operations,
  }
}
