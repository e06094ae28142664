"""A tracker as two functions of arrays, which converters turn into graphs.

    template(template, box) -> *kernels, state, squares
    search(search, state, frame_size, *kernels)
        -> box, score, margin, lost, next_state, squares

`template` is called once per target and `search` once per frame. Weights and
hyper-parameters are constants of the functions. All that a program has to do
itself is to cut the squares out of the frames. docs/export.md describes the
arrays.
"""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from acm_jax.geometry import squares
from acm_jax.modules import plain
from acm_jax.tracking import loop
from acm_jax.tracking.contract import Tracker, TrackState
from acm_jax.tracking.model import Model

Shapes = Mapping[str, jax.ShapeDtypeStruct]


@dataclasses.dataclass(frozen=True)
class Graph:
  """Function to convert.

  Attributes:
    function: Function from the inputs to a tuple of the outputs. Its operators
      have their plain forms.
    inputs: Shapes and types of the inputs, in order; keys are names.
    outputs: Shapes and types of the outputs, in order; keys are names.
  """

  function: Callable[..., tuple[Array, ...]]
  inputs: Shapes
  outputs: Shapes


def make(model: Model) -> dict[str, Graph]:
  """Returns the graphs `template` and `search` of a model.

  The graphs compute in float32, whatever `Tracker.dtype` is.

  Raises:
    ValueError: The tracker searches a larger region in some frames.
  """
  tracker = dataclasses.replace(model.tracker, dtype='float32')
  if tracker.wide_search:
    raise ValueError(
      f'{model.name}: searches a larger region in some frames, but an exported '
      'tracker has search crops of one size; set `wide_search` to never'
    )
  with plain.forms():
    variables = tracker.prepare(jax.device_put(model.variables))
  template, search = (
    _float32(count, side, side, 3)
    for count, side in (
      (1, tracker.template_size),
      (len(tracker.search_scales), tracker.search_size),
    )
  )
  encode = functools.partial(tracker.encode, variables)
  kernel = jax.eval_shape(encode, template, _float32(1, 2))
  structure, kernels = jax.tree.structure(kernel), _named(kernel)

  def first(template, box):
    state, box_size = loop.first_state(tracker, box)
    kernel = encode(template, box_size)
    return *jax.tree.leaves(kernel), _packed(state), _squares(tracker, state)

  def following(search, state, frame_size, *kernel):
    state = _unpacked(state, structure.unflatten(kernel))
    state, found = loop.find(
      tracker,
      variables,
      model.hparams,
      state,
      search,
      frame_size,
      wide=False,
      batched=True,
    )
    return (
      found.box_xywh,
      found.score,
      found.margin,
      found.lost,
      _packed(state),
      _squares(tracker, state),
    )

  make_graph = functools.partial(_graph, precision=model.precision)
  return {
    'template': make_graph(
      first,
      {'template': template, 'box': _float32(4)},
      (*kernels, 'state', 'squares'),
    ),
    'search': make_graph(
      following,
      {
        'search': search,
        'state': _float32(5),
        'frame_size': jax.ShapeDtypeStruct((2,), jnp.int32),
        **kernels,
      },
      ('box', 'score', 'margin', 'lost', 'next_state', 'squares'),
    ),
  }


def _graph(
  function: Callable[..., tuple[Array, ...]],
  inputs: Shapes,
  outputs: Sequence[str],
  precision: str,
) -> Graph:
  @contextlib.contextmanager
  def settings() -> Iterator[None]:
    with plain.forms(), jax.default_matmul_precision(precision):
      yield

  traced = settings()(function)
  shapes = jax.eval_shape(traced, *inputs.values())
  return Graph(traced, inputs, dict(zip(outputs, shapes, strict=True)))


def _float32(*shape: int) -> jax.ShapeDtypeStruct:
  return jax.ShapeDtypeStruct(shape, jnp.float32)


def _named(kernel: object) -> dict[str, jax.ShapeDtypeStruct]:
  """Returns the arrays of a kernel; keys are names, such as kernel_cls_2."""
  name = functools.partial(jax.tree_util.keystr, simple=True, separator='_')
  return {
    '_'.join(filter(None, ('kernel', name(path)))): leaf
    for path, leaf in jax.tree_util.tree_leaves_with_path(kernel)
  }


def _packed(state: TrackState) -> Float[Array, '5']:
  """Returns what the next frame needs of a state: cx, cy, w, h and lost."""
  lost = jnp.asarray(state.lost, jnp.float32)
  return jnp.concatenate([state.center, state.size, lost[None]])


def _unpacked(packed: Float[Array, '5'], kernel: object) -> TrackState:
  return TrackState(
    center=packed[:2],
    size=packed[2:4],
    fill=None,
    kernel=kernel,
    lost=packed[4] > 0,
  )


def _squares(tracker: Tracker, state: TrackState) -> Int[Array, 's 3']:
  """Returns first column, first row and side of the next search squares, px."""
  center, sides = loop.search_squares(tracker, state, tracker.search_size)
  sides = sides[:, None]
  corners = squares.corner(center[None], sides)
  return jnp.concatenate([corners, sides], axis=1).astype(jnp.int32)
