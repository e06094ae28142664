"""What a tracker is to training, tracking and evaluation.

A tracker owns its network, its targets and their inverse. The driver of
training and the tracking loop know this contract and nothing of anchors,
points or scales, so that a new tracker is a new folder under `trackers/`.
"""

import abc
import dataclasses
import typing
from collections.abc import Mapping
from typing import Any, ClassVar

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, UInt8

from acm_jax.modules.layers import freezing_statistics
from acm_jax.modules.mode import EVAL, Mode

Variables = dict[str, Any]


def struct(cls: type) -> type:
  """Makes a class a frozen dataclass and a pytree.

  The types say what one element holds. They are not checked, because the same
  class also carries stacks, tracers, shapes and shardings.
  """
  return typing.no_type_check(flax.struct.dataclass(cls))


@struct
class Batch:
  """Pairs after augmentation: crops of the exact sizes, boxes moved along.

  Attributes:
    template: RGB in 0..255.
    search: RGB in 0..255.
    template_box: Target in the template crop, cx, cy, w, h, px.
    search_box: Target in the search crop, px.
    positive: Whether both crops show the same target.
  """

  template: Float[Array, 'b ht ht 3']
  search: Float[Array, 'b hs hs 3']
  template_box: Float[Array, 'b 4']
  search_box: Float[Array, 'b 4']
  positive: Bool[Array, 'b']


@struct
class Outputs:
  """What a network says of a search crop.

  Attributes:
    cls: Classification logits.
    loc: Offsets, in the tracker's own parametrisation.
  """

  cls: Float[Array, '*b h w c']
  loc: Float[Array, '*b h w r']

  def __getitem__(self, index) -> 'Outputs':
    """Those of a sample, or of some."""
    return jax.tree.map(lambda x: x[index], self)


@struct
class Targets:
  """What a network should say; a weight of 0 means ignored.

  Attributes:
    cls: Class of each place (1 target, 0 background).
    loc: Offsets wanted.
    cls_weight: 1 where the classification counts.
    loc_weight: 1 where the offsets count.
  """

  cls: Int[Array, 'b *cells']
  loc: Float[Array, 'b *cells r']
  cls_weight: Float[Array, 'b *cells']
  loc_weight: Float[Array, 'b *cells']


@struct
class Candidates:
  """A box and a score for every place of one response map.

  Attributes:
    box_cxcywh: Boxes in px of the search crop, relative to its centre.
    score: Probability of being the target.
  """

  box_cxcywh: Float[Array, '*cells 4']
  score: Float[Array, '*cells']


@struct
class Hparams:
  """What is tuned without training; arrays, so that a sweep is one vmap.

  Attributes:
    penalty_k: Strength of the penalty on a change of size and aspect.
    window_influence: Share of the cosine window in the final score.
    size_lr: How much of a new size is taken over in one frame.
    lost_score: A target whose score falls below this is lost.
    found_score: A lost one is found again above this, and above `lost_score`.
  """

  penalty_k: Float[Array, ''] | float
  window_influence: Float[Array, ''] | float
  size_lr: Float[Array, ''] | float
  lost_score: Float[Array, ''] | float = 0.0
  found_score: Float[Array, ''] | float = 0.0


@struct
class Frame:
  """An image in a bucket of a fixed shape.

  Attributes:
    pixels: RGB; rows and columns beyond `size` are padding and never read.
    size: True height and width.
  """

  pixels: UInt8[Array, 'h w 3']
  size: Int[Array, '2']


@struct
class TrackState:
  """All that tracking carries from frame to frame, for one target.

  Attributes:
    center: Target centre (x, y), px of the frame.
    size: Target size (w, h), px of the frame.
    fill: Colour outside the frame: the mean of the first, RGB.
    kernel: What `encode` made of the template.
    lost: Whether the target was lost and has not been found again.
    wide: Whether the next frame is searched in the larger region.
  """

  center: Float[Array, '2']
  size: Float[Array, '2']
  fill: Float[Array, '3']
  kernel: Any
  lost: Bool[Array, ''] | bool = False
  wide: Bool[Array, ''] | bool = False


@struct
class Found:
  """What is chosen among the candidates of a frame.

  Attributes:
    box_cxcywh: The new box, px of the frame, not yet clipped to it.
    score: Score of its place, before penalty and window.
    margin: How much higher that is than the highest score of any place outside
      of the box, or than 0 where there is none.
  """

  box_cxcywh: Float[Array, '4']
  score: Float[Array, '']
  margin: Float[Array, '']


@struct
class Tracked:
  """The outcome of one frame.

  Attributes:
    box_xywh: The target, px of the frame, 0-based.
    score: Score of the chosen place, before penalty and window.
    lost: Whether the score has fallen below `Hparams.lost_score`, and has not
      risen above `Hparams.found_score` since.
    margin: As in `Found`; a small one tells of a distractor.
  """

  box_xywh: Float[Array, '4']
  score: Float[Array, '']
  lost: Bool[Array, '']
  margin: Float[Array, '']


@dataclasses.dataclass(frozen=True)
class WideSearch(abc.ABC):
  """When a larger region is searched, and what else is different then.

  The larger search crop is a compiled step of its own, which the host chooses
  between frames.

  Attributes:
    search_size: Side of the larger search crop, px.
    window_influence: Instead of that of `Hparams` in the larger region; None
      leaves it.
    holds: Whether a target whose score is below `Hparams.lost_score` stays as
      it was.
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
    """Whether the next frame is searched in the larger region.

    Args:
      state: What the last frame left.
      found: The choice in this one.
      lost: Whether the target is lost after it.
      side: Side of the template's crop of the last size, px of the frame.
    """


@dataclasses.dataclass(frozen=True)
class Tracker(abc.ABC):
  """A tracking algorithm. Hashable, so that it is static under jit.

  Attributes:
    network: Module with `encode(template, box_size, mode=)`,
      `respond(kernel, search, mode=)` and `__call__(template, box_size,
      search, mode=)`. Images are what `preprocess` gives, batch first, NHWC;
      `box_size` is w, h of the template's box in px of the template crop.
    template_size: Side of the template crop, px.
    search_size: Side of the search crop, px.
    context_amount: Margin of the crops; see `geometry.context`.
    search_scales: Sides of the search crops over the usual one; a crop for
      each, of the same frame.
    pixel_shift: What is added to the centre of the first box and to that of
      every crop, px. With 0.5 a box x, y, w, h has its centre at x + w / 2 and
      crops lie round it; SiamRPN's descendants are trained half a pixel off.
    wide_search: When a larger region is searched; None: never.
    dtype: What the network computes in; its weights stay float32.
    hparam_spans: From where to where hyper-parameters are worth a search.
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
  search_scales: tuple[float, ...] = (1.0,)
  pixel_shift: float = 0.0
  wide_search: WideSearch | None = None
  dtype: str = 'float32'

  @property
  def stride(self) -> int:
    """Pixels of the search crop from one cell of the response to the next."""
    return self.network.backbone.stride

  @abc.abstractmethod
  def preprocess(self, rgb: Float[Array, '*b 3']) -> Float[Array, '*b 3']:
    """RGB in 0..255 to what the network was trained on."""

  @abc.abstractmethod
  def targets(self, batch: Batch, rng: jax.Array) -> Targets:
    """Label maps of a batch; `rng` draws the places that are kept."""

  @abc.abstractmethod
  def loss(
    self, outputs: Outputs, targets: Targets
  ) -> tuple[Float[Array, ''], dict[str, Float[Array, '']]]:
    """Total loss, and its parts by name for the log."""

  def imitation(
    self,
    outputs: Outputs,
    teacher: Outputs,
    positive: Bool[Array, 'b'],
    **weights: float,
  ) -> tuple[Float[Array, ''], dict[str, Float[Array, '']]]:
    """Loss against a teacher's outputs for the same crops, and its parts.

    Args:
      outputs: Student's.
      teacher: Teacher's, of the same shapes and parametrisation.
      positive: As in `Batch`.
      **weights: Factors on the parts, by name.

    Raises ValueError if the tracker has no such loss.
    """
    raise ValueError(f'{type(self).__name__} has no loss against a teacher')

  @abc.abstractmethod
  def decode(self, outputs: Outputs) -> Candidates:
    """Boxes and scores of one sample's outputs; inverse of `targets`."""

  @abc.abstractmethod
  def select(
    self,
    outputs: Outputs,
    state: TrackState,
    hparams: Hparams,
    scale: Float[Array, ''],
  ) -> Found:
    """Chooses the target's new box.

    Args:
      outputs: Of the search crops, one for each of `search_scales`.
      state: Where the target was; its centre is that of the crops.
      hparams: Strengths of penalty, window and smoothing.
      scale: Pixels of the usual search crop, and of the template, per pixel of
        the frame.
    """

  def init_variables(self, rng: jax.Array, *, mode: Mode = EVAL) -> Variables:
    """Random variables of the network: `params` and `batch_stats`."""
    template = jnp.zeros((1, self.template_size, self.template_size, 3))
    search = jnp.zeros((1, self.search_size, self.search_size, 3))
    box_size = jnp.full((1, 2), self.template_size / 2)
    return self.network.init(rng, template, box_size, search, mode=mode)

  def encode(
    self,
    variables: Variables,
    template: Float[Array, 'b ht ht 3'],
    box_size: Float[Array, 'b 2'],
  ) -> Any:
    """The kernel of RGB template crops, whose boxes have `box_size` px."""
    return self.network.apply(
      self._cast(variables),
      *self._inputs(template, box_size),
      method='encode',
    )

  def respond(
    self, variables: Variables, kernel: Any, search: Float[Array, 'b hs hs 3']
  ) -> Outputs:
    """Outputs for RGB search crops, by the kernel that `encode` gave."""
    outputs = self.network.apply(
      self._cast(variables), kernel, *self._inputs(search), method='respond'
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
  ) -> tuple[Outputs, Variables]:
    """Outputs for RGB crops, and the batch statistics after them."""
    with freezing_statistics(mode):
      outputs, updates = self.network.apply(
        self._cast(variables),
        *self._inputs(template, box_size),
        *self._inputs(search),
        mode=mode,
        mutable=['batch_stats'],
      )
    return _as_float32(outputs), updates.get('batch_stats', {})

  def _inputs(self, image, *others):
    """An image and what comes with it as the network takes them."""
    inputs = self.preprocess(image), *others
    return [x.astype(self.dtype) for x in inputs]

  def _cast(self, variables: Variables) -> Variables:
    """The weights in the network's type; statistics stay float32."""
    return {
      name: jax.tree.map(lambda x: x.astype(self.dtype), tree)
      if name == 'params'
      else tree
      for name, tree in variables.items()
    }


def _as_float32(outputs: Outputs) -> Outputs:
  return jax.tree.map(lambda x: x.astype(jnp.float32), outputs)
