"""Functions that write small files of layouts."""

import cv2
import numpy as np


def write_images(folder, numbers):
  folder.mkdir(parents=True, exist_ok=True)
  for number in numbers:
    path = folder / f'{number:04d}.jpg'
    cv2.imwrite(str(path), np.zeros((4, 4, 3), np.uint8))


def write_text(path, text):
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_text(text)


def rows(count, x=1):
  """Makes annotation rows with x growing by one."""
  return ''.join(f'{x + i},1,2,2\n' for i in range(count))


def stems(sequence):
  return [path.stem for path in sequence.frame_paths]
