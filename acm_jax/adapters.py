"""Adapters to the interfaces of other libraries."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from acm_jax.datasets import image_files
from acm_jax.geometry import boxes
from acm_jax.tracking.result import Result
from acm_jax.tracking.video_tracker import VideoTracker


def got10k(
  tracker: VideoTracker, name: str | None = None, first_pixel: int = 1
) -> Any:
  """Wraps a tracker as a `got10k.trackers.Tracker` for GOT-10k's toolkit.

  The toolkit passes PIL images, and boxes x, y, w, h in the coordinates of a
  benchmark's files. Images with more than 8 bits are stretched by the range of
  a sequence's first image.

  Args:
    tracker: Tracker to wrap.
    name: Name of the tracker in the toolkit's results (default: the model's
      name).
    first_pixel: Coordinate that the benchmark's files give to the first pixel
      of an image: 0 for NfS, TrackingNet and VOT, 1 for the other benchmarks of
      the toolkit.

  Raises:
    ImportError: The package got10k is not installed.
  """
  from got10k.trackers import Tracker

  base = np.array([first_pixel, first_pixel, 0, 0])

  class Adapter(Tracker):
    def __init__(self):
      super().__init__(name or tracker.model.name, is_deterministic=True)

    def init(self, image, box):
      values, self._levels = _values(image), None
      if values.dtype != np.uint8:
        self._levels = image_files.first_levels(values, 'the first image')
      tracker.init(image_files.to_8_bits(values, self._levels), box - base)

    def update(self, image):
      rgb = image_files.to_8_bits(_values(image), self._levels)
      return tracker.update(rgb).box + base

  return Adapter()


def detections(results: Sequence[Result]) -> dict[str, np.ndarray]:
  """Returns the targets of a frame as arguments of `supervision.Detections`.

      detections = sv.Detections(**adapters.detections(results))

  Args:
    results: Result of each target in the frame, from `VideoTracker.track`.

  Returns:
    Arrays of the n targets that are not lost: `xyxy` [n, 4], px; `confidence`
    [n]; `class_id` [n], all 0; `tracker_id` [n], indices into `results`.
  """
  kept = [number for number, result in enumerate(results) if not result.lost]
  box_xywh = np.array([results[n].box for n in kept], np.float32)
  return {
    'xyxy': boxes.xywh_to_xyxy(box_xywh.reshape(-1, 4)),
    'confidence': np.array([results[n].score for n in kept], np.float32),
    'class_id': np.zeros(len(kept), int),
    'tracker_id': np.array(kept, int),
  }


def _values(image: Any) -> np.ndarray:
  """Converts a PIL image to RGB of 8 bits, or to grey of more than 8 bits."""
  # PIL converts deeper images to RGB by cutting off all values above 255.
  is_deep = image.mode.startswith(('I', 'F'))
  return np.asarray(image if is_deep else image.convert('RGB'))
