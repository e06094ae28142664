"""Interface of trackers to training, tracking and evaluation.

A tracker defines its network, its training targets and how outputs are decoded
to boxes. Training and the tracking loop depend on this interface only, not on
anchors, points or scales. A new tracker therefore only needs a folder under
`trackers/`.
"""

import abc
import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, UInt8

from acm_jax.modules import prepared
from acm_jax.modules.layers import freezing_statistics
from acm_jax.modules.mode import EVAL, Mode
from acm_jax.tracking.struct import struct

Variables = dict[str, Any]
# Outputs: predictions for a batch of search crops. Targets: the ground truth.
# Both are pytrees of arrays with a batch axis; each tracker defines their
# structure.
Outputs = Any
Targets = Any


@struct
class Batch:
  """Batch of augmented pairs of crops, in the input sizes of the network.

  Attributes:
    template: Template crops, RGB in 0..255.
    search: Search crops, RGB in 0..255.
    template_box: Boxes cx, cy, w, h of the targets in the template crops, px.
    search_box: Boxes cx, cy, w, h of the targets in the search crops, px.
    positive: For each pair, whether both crops show the same target.
  """

  template: Float[Array, 'b ht ht 3']
  search: Float[Array, 'b hs hs 3']
  template_box: Float[Array, 'b 4']
  search_box: Float[Array, 'b 4']
  positive: Bool[Array, 'b']


@struct
class Candidates:
  """A box and a score for every location of one response map.

  Attributes:
    box_cxcywh: Boxes relative to the centre of the search crop, px of the crop.
    score: Probability that each box shows the target.
  """

  box_cxcywh: Float[Array, '*cells 4']
  score: Float[Array, '*cells']


@struct
class Hparams:
  """Hyper-parameters of tracking. Changing them needs no training.

  Values may be arrays, so that one vmap evaluates many settings.

  Attributes:
    penalty_k: Strength of the penalty on changes of size and aspect ratio.
    window_influence: Weight of the cosine window in the final score, 0 to 1.
    size_lr: Rate at which the target's size moves to the selected candidate's.
    lost_score: Score below which the target is lost.
    found_score: Score that a lost target must exceed to be found again. The
      target's score must also be at least `lost_score`.
  """

  penalty_k: Float[Array, ''] | float
  window_influence: Float[Array, ''] | float
  size_lr: Float[Array, ''] | float
  lost_score: Float[Array, ''] | float = 0.0
  found_score: Float[Array, ''] | float = 0.0


@struct
class Frame:
  """An image, padded to one of a few fixed shapes.

  Attributes:
    pixels: RGB; rows and columns beyond `size` are padding and never read.
    size: Height and width without padding, px.
  """

  pixels: UInt8[Array, 'h w 3']
  size: Int[Array, '2']


@struct
class TrackState:
  """State of one target, carried from frame to frame.

  Attributes:
    center: Centre (x, y) of the target, px of the frame.
    size: Size (w, h) of the target, px of the frame.
    fill: Mean RGB of the first frame, used for crop pixels outside the frame.
    kernel: Output of `Tracker.encode` for the template.
    lost: Whether the target was lost and has not been found again.
    wide: Whether to search the larger region of `WideSearch` in the next frame.
  """

  center: Float[Array, '2']
  size: Float[Array, '2']
  fill: Float[Array, '3']
  kernel: Any
  lost: Bool[Array, ''] | bool = False
  wide: Bool[Array, ''] | bool = False


@struct
class Found:
  """Candidate that the tracker selects in a frame.

  Attributes:
    box_cxcywh: New box of the target, px; may extend beyond the frame.
    score: Score of the selected location, without penalty and window.
    margin: `score` minus the highest score of the locations outside the box. If
      all locations are in the box, the margin is `score`.
  """

  box_cxcywh: Float[Array, '4']
  score: Float[Array, '']
  margin: Float[Array, '']


@struct
class Tracked:
  """Result of tracking in one frame.

  Attributes:
    box_xywh: Box of the target, px of the frame, 0-based.
    score: Score of the selected location, without penalty and window.
    lost: Whether the score has fallen below `Hparams.lost_score`, and has not
      risen above `Hparams.found_score` since.
    margin: Score minus the best score outside the box; small near distractors.
  """

  box_xywh: Float[Array, '4']
  score: Float[Array, '']
  lost: Bool[Array, '']
  margin: Float[Array, '']


@dataclasses.dataclass(frozen=True)
class WideSearch(abc.ABC):
  """Rule that decides when to search a larger region.

  The tracking step is compiled for the usual and for the larger search crop.
  Before each frame, the host selects one of the two.

  Attributes:
    search_size: Side of the larger search crop, px.
    window_influence: Value that replaces `Hparams.window_influence` when the
      larger region is searched. None keeps the value of `Hparams`.
    holds: Whether the target keeps its previous box in frames with a score
      below `Hparams.lost_score`.
  """

  search_size: int
  window_influence: float | None = None
  holds: bool = False

  @abc.abstractmethod
  def wanted(
    self,
    state: TrackState,
    found: Found,
    lost: Bool[Array, ''],
    side: Float[Array, ''],
  ) -> Bool[Array, '']:
    """Returns whether to search the larger region in the next frame.

    Args:
      state: State before the current frame.
      found: Candidate that the tracker selects in the current frame.
      lost: Whether the target is lost after the current frame.
      side: Side of a template crop for the size `state.size`, px of the frame.
    """


@dataclasses.dataclass(frozen=True)
class Tracker(abc.ABC):
  """Tracking algorithm. It is hashable, so that it can be static under jit.

  Attributes:
    network: Module with `encode(template, box_size, mode=)`,
      `respond(kernel, search, mode=)` and `__call__(template, box_size,
      search, mode=)`. Images are NHWC batches from `preprocess`; `box_size` is
      w, h of the targets in the template crops, px of the crop.
    template_size: Side of the template crop, px.
    search_size: Side of the search crop, px.
    context_amount: Length added to the target's width and height for context,
      as a fraction of their sum.
    smallest_side: Lower limit of the width and height of tracked boxes, px of
      the frame. The first box of a target may be smaller. 10 in pysot, SiamBAN
      and NanoTrack; 0, no limit, in got-10k/siamfc.
    search_scales: Factors that multiply the side of the search region. Each
      frame is cropped once per factor.
    pixel_shift: Offset that is added to the centres of the first box and of all
      crops, px. With 0.5, centres are exact, x + w / 2 for a box. With 0, as in
      SiamRPN's descendants, they lie 0.5 px too far up and to the left.
    wide_search: Rule that decides when to search a larger region, or None.
    dtype: Type that the network computes in; stored weights are float32.
    hparam_spans: Range of each hyper-parameter that is tuned; keys are names.
  """

  hparam_spans: ClassVar[Mapping[str, tuple[float, float]]] = {
    'penalty_k': (0.0, 0.5),
    'window_influence': (0.0, 0.7),
    'size_lr': (0.05, 0.8),
  }

  network: nn.Module
  template_size: int = 127
  search_size: int = 255
  context_amount: float = 0.5
  smallest_side: float = 10.0
  search_scales: tuple[float, ...] = (1.0,)
  pixel_shift: float = 0.0
  wide_search: WideSearch | None = None
  dtype: str = 'float32'

  @property
  def stride(self) -> int:
    """Distance between neighbouring response cells, px of the search crop."""
    return self.network.backbone.stride

  @abc.abstractmethod
  def preprocess(self, rgb: Float[Array, '*b 3']) -> Float[Array, '*b 3']:
    """Converts RGB in 0..255 to the colours that the network expects."""

  @abc.abstractmethod
  def targets(self, batch: Batch, rng: jax.Array) -> Targets:
    """Computes the training targets of a batch, such as label maps.

    Args:
      batch: Pairs of crops.
      rng: Key for sampling the locations that count in the loss.
    """

  @abc.abstractmethod
  def loss(
    self, outputs: Outputs, targets: Targets
  ) -> tuple[Float[Array, ''], dict[str, Float[Array, '']]]:
    """Returns the total loss, and its parts for the log; keys are names."""

  def imitation(
    self,
    outputs: Outputs,
    teacher: Outputs,
    positive: Bool[Array, 'b'],
    **weights: float,
  ) -> tuple[Float[Array, ''], dict[str, Float[Array, '']]]:
    """Computes the loss against a teacher's outputs for the same crops.

    Args:
      outputs: Outputs of the student.
      teacher: Outputs of the teacher, in the shapes and the parametrisation of
        the student's outputs.
      positive: For each pair, whether both crops show the same target.
      **weights: Weight of each part of the loss; keys are names of parts.

    Returns:
      The total loss, and its unweighted parts; keys are names of parts.

    Raises:
      ValueError: The tracker defines no loss against a teacher.
    """
    raise ValueError(
      f'{type(self).__name__} has no loss against a teacher; train without '
      '`teacher`'
    )

  @abc.abstractmethod
  def label_map(self, targets: Targets) -> Int[Array, 'b r r']:
    """Reduces targets to one label per location, for display.

    Returns:
      1 for the target, 0 for background, -1 for locations ignored by the loss.
    """

  @abc.abstractmethod
  def score_map(self, outputs: Outputs) -> Float[Array, 'r r']:
    """Returns the highest score at each location, for display.

    Args:
      outputs: Outputs for a frame's search crops, one for each search scale.
        The map is that of the search scale 1.
    """

  @abc.abstractmethod
  def select(
    self,
    outputs: Outputs,
    state: TrackState,
    hparams: Hparams,
    scale: Float[Array, ''],
  ) -> Found:
    """Selects the target's new box.

    Args:
      outputs: Outputs for a frame's search crops, one for each search scale.
      state: State before the frame. The crops are centred on `state.center`.
      hparams: Strengths of penalty, window and smoothing.
      scale: Pixels of the template crop per pixel of the frame. The search crop
        of the search scale 1 has the same resolution.
    """

  def init_variables(self, rng: jax.Array, *, mode: Mode = EVAL) -> Variables:
    """Returns initial variables of the network: `params` and `batch_stats`."""
    return self.network.init(rng, *self._inputs(), mode=mode)

  def prepare(self, variables: Variables) -> Variables:
    """Prepares variables for tracking on a CPU.

    `encode` and `respond` are faster with the result, which cannot be trained
    or saved. The variables are returned as they are if the tracker defines
    these methods itself, or does not compute in float32.

    Args:
      variables: Weights and statistics of the network.
    """
    own = any(
      getattr(type(self), name) is not getattr(Tracker, name)
      for name in ('encode', 'respond')
    )
    if own or self.dtype != 'float32':
      return variables
    shapes = jax.eval_shape(self._inputs)
    return prepared.prepare(self.network, variables, shapes)

  def _inputs(self) -> tuple[Array, Array, Array]:
    """Returns a template crop, a box size and a search crop of zeros."""
    template = jnp.zeros((1, self.template_size, self.template_size, 3))
    search = jnp.zeros((1, self.search_size, self.search_size, 3))
    return template, jnp.full((1, 2), self.template_size / 2), search

  def encode(
    self,
    variables: Variables,
    template: Float[Array, 'b ht ht 3'],
    box_size: Float[Array, 'b 2'],
  ) -> Any:
    """Encodes templates, once per sequence.

    Args:
      variables: Weights and statistics of the network.
      template: RGB template crops.
      box_size: w, h of the targets in the template crops, px of the crop.

    Returns:
      The kernel that `respond` takes.
    """
    return self.network.apply(
      self._cast(variables),
      self._image(template),
      box_size.astype(self.dtype),
      method='encode',
    )

  def respond(
    self, variables: Variables, kernel: Any, search: Float[Array, 'b hs hs 3']
  ) -> Outputs:
    """Computes outputs for RGB search crops, given the kernel from `encode`."""
    outputs = self.network.apply(
      self._cast(variables), kernel, self._image(search), method='respond'
    )
    return _as_float32(outputs)

  def apply(
    self,
    variables: Variables,
    template: Float[Array, 'b ht ht 3'],
    box_size: Float[Array, 'b 2'],
    search: Float[Array, 'b hs hs 3'],
    *,
    mode: Mode = EVAL,
    rng: jax.Array | None = None,
  ) -> tuple[Outputs, Variables]:
    """Returns outputs for pairs of crops, and the updated batch statistics.

    Args:
      variables: Weights and statistics of the network.
      template: RGB template crops.
      box_size: w, h of the targets in the template crops, px of the crop.
      search: RGB search crops.
      mode: Parts of the network that train.
      rng: Key for dropout; needed only for a network that trains with dropout.
    """
    prepared.check_plain(variables, 'train')
    with freezing_statistics(mode):
      outputs, updates = self.network.apply(
        self._cast(variables),
        self._image(template),
        box_size.astype(self.dtype),
        self._image(search),
        mode=mode,
        mutable=['batch_stats'],
        rngs={} if rng is None else {'dropout': rng},
      )
    return _as_float32(outputs), updates.get('batch_stats', {})

  def _image(self, rgb: Float[Array, '*b 3']) -> Float[Array, '*b 3']:
    return self.preprocess(rgb).astype(self.dtype)

  def _cast(self, variables: Variables) -> Variables:
    """Casts the weights to `dtype`; statistics stay float32."""
    return {
      name: jax.tree.map(lambda x: x.astype(self.dtype), tree)
      if name == 'params'
      else tree
      for name, tree in variables.items()
    }


def _as_float32(outputs: Outputs) -> Outputs:
  return jax.tree.map(lambda x: x.astype(jnp.float32), outputs)
