"""Measures a batch of pairs on the device, in one compiled program."""

import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, UInt8

from acm_jax import trackers
from acm_jax.analysis import response
from acm_jax.analysis.pairs import RIGHT
from acm_jax.analysis.response import Statistics
from acm_jax.geometry import boxes
from acm_jax.modules.fusion import BoxPrior
from acm_jax.tracking.contract import Tracker, Variables
from acm_jax.tracking.struct import struct
from acm_jax.training import template_gap


@struct
class Found:
  """Result of searching with one kind of template.

  Attributes:
    box_cxcywh: Boxes that the tracker selects, relative to the centre of the
      search crop, px.
    score: Scores of these boxes.
    iou: IoU of these boxes and those of the targets.
    heat: Heat of the response of each fusion; keys are paths of the fusions.
    change: Norm of the difference between the response of each fusion and its
      response with the right template, over the norm of the latter; NaN if the
      latter is zero.
  """

  box_cxcywh: Float[Array, 'b 4']
  score: Float[Array, 'b']
  iou: Float[Array, 'b']
  heat: dict[str, Float[Array, 'b r r']]
  change: dict[str, Float[Array, 'b']]


@struct
class Measured:
  """Measures of a batch of pairs.

  Attributes:
    found: Result of each kind of template; keys are `pairs.KINDS`.
    statistics: Statistics of the response of each fusion to the right template;
      keys are paths of the fusions.
    finite: Whether all responses, IoUs and scores are finite numbers.
  """

  found: dict[str, Found]
  statistics: dict[str, Statistics]
  finite: Bool[Array, 'b']


@functools.partial(jax.jit, static_argnums=0)
def measure(
  tracker: Tracker,
  variables: Variables,
  search: UInt8[Array, 'b hs hs 3'],
  truth: Float[Array, 'b 4'],
  picture: Float[Array, 'b 4'],
  template: dict[str, UInt8[Array, 'b ht ht 3']],
  box_size: dict[str, Float[Array, 'b 2']],
) -> Measured:
  """Searches each crop with each kind of template, and measures the responses.

  The box is selected as for `validation_iou_gap`; see `template_gap.locate`.

  Args:
    tracker: Tracker to measure.
    variables: Weights and statistics of its network.
    search: Search crops, RGB.
    truth: Boxes of the targets, cx, cy, w, h relative to the centre of the
      crop, px.
    picture: Parts of the search crops that show the image, x1, y1, x2, y2
      relative to the centre of the crop, px.
    template: Template crops of each kind, RGB; `RIGHT` must be among them.
    box_size: w, h of the targets in the template crops, px.
  """
  # XLA merges the searches, as far as they do not depend on the template.
  outputs, responses = {}, {}
  for kind in template:
    outputs[kind], responses[kind] = _respond(
      tracker, variables, template[kind], box_size[kind], search
    )
  right = responses[RIGHT]

  def found(kind):
    box, score = template_gap.locate(tracker, outputs[kind], box_size[kind])
    return Found(
      box_cxcywh=box,
      score=score,
      iou=boxes.iou(boxes.cxcywh_to_xyxy(box), boxes.cxcywh_to_xyxy(truth)),
      heat={name: response.heat(x) for name, x in responses[kind].items()},
      change={
        name: _change(right[name], x) for name, x in responses[kind].items()
      },
    )

  def describe(responses):
    @jax.vmap
    def one(x, truth, picture):
      masks = response.cells(len(x), tracker.stride, truth, picture)
      return response.statistics(x, *masks)

    return one(responses, truth, picture)

  results = {kind: found(kind) for kind in template}
  judged = [(each.iou, each.score) for each in results.values()]
  return Measured(
    results,
    {name: describe(x) for name, x in right.items()},
    _finite([responses, judged]),
  )


def response_shapes(tracker: Tracker) -> dict[str, tuple[int, int, int]]:
  """Returns the shape of each fusion's response to a search crop.

  Args:
    tracker: Tracker with the fusions.

  Returns:
    Rows, columns and channels; keys are paths of the fusions.

  Raises:
    ValueError: No `Fusion` runs in the tracker's network.
  """

  def crop(size):
    return jnp.zeros((1, size, size, 3), jnp.uint8)

  def responses(variables):
    template, search = crop(tracker.template_size), crop(tracker.search_size)
    size = jnp.ones((1, 2))
    return _respond(tracker, variables, template, size, search)[1]

  shapes = jax.eval_shape(responses, trackers.shapes(tracker))
  if not shapes:
    raise ValueError(
      f'{type(tracker).__name__}: its network has no Fusion, whose response '
      'could be analysed; make its fusion a subclass of modules.fusion.Fusion'
    )
  return {name: x.shape[1:] for name, x in shapes.items()}


@functools.cache
def has_prior(tracker: Tracker) -> bool:
  """Returns whether a `BoxPrior` reads the size of the target's box."""
  seen = False

  def record(call, args, kwargs, context):
    nonlocal seen
    seen |= isinstance(context.module, BoxPrior)
    return call(*args, **kwargs)

  def encode(variables):
    side = tracker.template_size
    with nn.intercept_methods(record):
      return tracker.encode(
        variables, jnp.zeros((1, side, side, 3)), jnp.ones((1, 2))
      )

  jax.eval_shape(encode, trackers.shapes(tracker))
  return seen


def _respond(
  tracker, variables, template, box_size, search
) -> tuple[Any, dict[str, Float[Array, 'b r r o']]]:
  """Returns the tracker's outputs and the responses of its fusions."""
  template, search = (x.astype(jnp.float32) for x in (template, search))
  kernel = tracker.encode(variables, template, box_size)
  with response.recording() as responses:
    outputs = tracker.respond(variables, kernel, search)
  return outputs, responses


def _change(right: Float[Array, 'b r r o'], other: Float[Array, 'b r r o']):
  largest = jnp.max(jnp.abs(right), axis=(1, 2, 3), keepdims=True)
  # Squares of the largest float32 numbers would overflow.
  right, other = (
    x / jnp.where(largest > 0, largest, 1.0) for x in (right, other)
  )

  def norm(x):
    return jnp.sqrt(jnp.sum(x**2, axis=(1, 2, 3)))

  scale = norm(right)
  change = norm(other - right) / jnp.where(scale > 0, scale, 1.0)
  return jnp.where(scale > 0, change, jnp.nan)


def _finite(tree: Any) -> Bool[Array, 'b']:
  """Returns which rows of all arrays in a tree have only finite numbers."""
  rows = [
    jnp.isfinite(x).reshape(len(x), -1).all(axis=1)
    for x in jax.tree.leaves(tree)
  ]
  return jnp.stack(rows).all(axis=0)
