"""Pictures of what a config trains on, after augmentation, with label maps."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import jax
import jax.numpy as jnp
import numpy as np

from acm_jax.geometry import boxes
from acm_jax.running import drawing
from acm_jax.tracking.contract import Batch, Targets
from acm_jax.training.plan import Plan
from data_pipelines.pipeline import DataSet, train_batches

POSITIVE, NEGATIVE = drawing.COLORS[2], drawing.COLORS[4]


def write_sheet(
  plan: Plan,
  sets: Sequence[DataSet],
  path: Path,
  *,
  pairs: int,
  arguments: Mapping[str, Any],
) -> None:
  """Writes the first pairs of a run as one PNG.

  Each has its template, its search image and that image with the label map on
  it: green where the map is positive, red where it is negative, plain where
  nothing is learnt.

  Args:
    plan: What the config makes.
    sets: The mixture.
    path: The PNG.
    pairs: How many.
    arguments: Of `train_batches`, the section `data` of the config.
  """
  raw = next(
    train_batches(
      sets,
      batch_size=pairs,
      seed=plan.train.seed,
      last_step=1,
      **plan.rooms,
      **arguments,
    )
  )
  rng = jax.random.key(plan.train.seed)
  batch = plan.distort(jax.tree.map(jnp.asarray, raw), rng)
  targets = plan.tracker.targets(batch, rng)
  batch, targets = jax.tree.map(np.asarray, (batch, targets))
  stride = plan.tracker.stride
  cells = [_cell(batch, targets, i, stride) for i in range(pairs)]
  drawing.write_sheet(cells, path)


def _cell(batch: Batch, targets: Targets, i: int, stride: int) -> np.ndarray:
  """Template, search image and label map of a pair, side by side."""
  search = _pixels(batch.search[i])
  template = _pixels(batch.template[i])
  mapped = _with_labels(search, targets, i, stride)
  color = POSITIVE if batch.positive[i] else NEGATIVE
  drawing.draw_box(template, _xywh(batch.template_box[i]), drawing.TRUTH)
  drawing.draw_box(search, _xywh(batch.search_box[i]), color)
  border = search.shape[0] - template.shape[0]
  template = cv2.copyMakeBorder(
    template, 0, border, 0, 0, cv2.BORDER_CONSTANT, value=drawing.TRUTH
  )
  return np.concatenate([template, search, mapped], axis=1)


def _pixels(image: np.ndarray) -> np.ndarray:
  return np.clip(np.round(image), 0, 255).astype(np.uint8).copy()


def _xywh(box_cxcywh: np.ndarray) -> np.ndarray:
  return boxes.cxcywh_to_xywh(box_cxcywh)


def _with_labels(
  search: np.ndarray, targets: Targets, i: int, stride: int
) -> np.ndarray:
  """The search image under the map, places of all anchors as one."""
  weight, label = targets.cls_weight[i], targets.cls[i]
  used = weight > 0
  # Anchors of a place, if there are any.
  others = tuple(range(2, used.ndim))
  positive = (used & (label > 0.5)).any(axis=others)
  negative = (used & (label <= 0.5)).any(axis=others) & ~positive
  tint = np.zeros((*positive.shape, 3), np.float32)
  tint[positive], tint[negative] = POSITIVE, NEGATIVE
  share = 0.5 * (positive | negative).astype(np.float32)
  # The map lies on the middle of the image.
  side = min(stride * len(tint), len(search))
  size, corner = (side, side), (len(search) - side) // 2
  tint = cv2.resize(tint, size, interpolation=cv2.INTER_NEAREST)
  share = cv2.resize(share, size, interpolation=cv2.INTER_NEAREST)[..., None]
  inside = slice(corner, corner + side)
  mixed = search.copy()
  part = mixed[inside, inside]
  mixed[inside, inside] = ((1 - share) * part + share * tint).astype(np.uint8)
  return mixed
