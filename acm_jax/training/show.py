"""Plots augmented training pairs with their label maps."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from acm_jax.geometry import boxes
from acm_jax.running import drawing
from acm_jax.tracking.contract import Batch
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
  """Plots the first pairs of a run as a PNG file.

  Each pair is shown in three images: the template, the search image, and the
  search image with its label map. In the label map, positive locations are
  green, negative locations are red, and locations that the loss ignores are
  not coloured.

  Args:
    plan: Plan of the run.
    sets: Data sets of the run.
    path: PNG file to write.
    pairs: Number of pairs.
    arguments: Arguments of `train_batches`, from the config section `data`.
  """
  raw = next(
    train_batches(
      sets,
      batch_size=pairs,
      seed=plan.train.seed,
      last_step=1,
      **plan.crop_sides,
      **arguments,
    )
  )
  rng = jax.random.key(plan.train.seed)
  batch = plan.distort(jax.tree.map(jnp.asarray, raw), rng)
  labels = plan.tracker.label_map(plan.tracker.targets(batch, rng))
  batch, labels = jax.tree.map(np.asarray, (batch, labels))
  stride = plan.tracker.stride
  cells = [_cell(batch, labels[i], i, stride) for i in range(pairs)]
  drawing.write_sheet(cells, path)


def _cell(
  batch: Batch, labels: Int[np.ndarray, 'r r'], i: int, stride: int
) -> np.ndarray:
  """Plots template, search image and label map of a pair side by side."""
  search = _pixels(batch.search[i])
  template = _pixels(batch.template[i])
  mapped = _with_labels(search, labels, stride)
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
  search: np.ndarray, labels: Int[np.ndarray, 'r r'], stride: int
) -> np.ndarray:
  """Returns a copy of the search image, coloured by its label map."""
  positive, negative = labels == 1, labels == 0
  tint = np.zeros((*positive.shape, 3), np.float32)
  tint[positive], tint[negative] = POSITIVE, NEGATIVE
  opacity = 0.5 * (positive | negative).astype(np.float32)
  # The label map covers only the centre of the image.
  side = min(stride * len(tint), len(search))
  size, corner = (side, side), (len(search) - side) // 2
  tint = cv2.resize(tint, size, interpolation=cv2.INTER_NEAREST)
  opacity = cv2.resize(opacity, size, interpolation=cv2.INTER_NEAREST)
  opacity = opacity[..., None]
  inside = slice(corner, corner + side)
  mixed = search.copy()
  part = (1 - opacity) * mixed[inside, inside] + opacity * tint
  mixed[inside, inside] = part.astype(np.uint8)
  return mixed
