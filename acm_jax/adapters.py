"""A tracker in the forms that other libraries take."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from acm_jax.geometry import boxes
from acm_jax.tracking.video_tracker import Result, VideoTracker


def got10k(
  tracker: VideoTracker, name: str | None = None, first_pixel: int = 1
) -> Any:
  """Makes a `got10k.trackers.Tracker`, which the toolkit's experiments run.

  The toolkit gives images of PIL, and boxes as the files of a benchmark have
  them.

  Args:
    tracker: What tracks.
    name: Name of its results; the model's by default.
    first_pixel: Coordinate of the first pixel in these files: 1, but 0 for NfS,
      TrackingNet and VOT.

  Raises:
    ImportError: The package got10k is not installed.
  """
  from got10k.trackers import Tracker

  base = np.array([first_pixel, first_pixel, 0, 0])

  class Adapter(Tracker):
    def __init__(self):
      super().__init__(name or tracker.model.name, is_deterministic=True)

    def init(self, image, box):
      tracker.init(_rgb(image), box - base)

    def update(self, image):
      return tracker.update(_rgb(image)).box + base

  return Adapter()


def detections(results: Sequence[Result]) -> dict[str, np.ndarray]:
  """Gives the targets of a frame as `supervision.Detections` takes them.

      detections = sv.Detections(**adapters.detections(results))

  Args:
    results: A result for each target, as `VideoTracker.track` gives them.

  Returns:
    `xyxy` [n, 4], px; `confidence` [n]; `class_id` [n], all 0; `tracker_id`
    [n], the number of the target. Targets that are lost are left out.
  """
  kept = [number for number, result in enumerate(results) if not result.lost]
  box_xywh = np.array([results[n].box for n in kept], np.float32)
  return {
    'xyxy': boxes.xywh_to_xyxy(box_xywh.reshape(-1, 4)),
    'confidence': np.array([results[n].score for n in kept], np.float32),
    'class_id': np.zeros(len(kept), int),
    'tracker_id': np.array(kept, int),
  }


def _rgb(image: Any) -> np.ndarray:
  """An image of PIL as an array."""
  return np.asarray(image.convert('RGB'))
