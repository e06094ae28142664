"""Plans composed sequences: the position of every picture in every frame."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from data_pipelines.composed import motion
from data_pipelines.composed.cast import POLE, POLE_HW, Cast, Extra
from data_pipelines.composed.library import Library


class Texture(NamedTuple):
  """A piece of a photograph that fills an outline.

  Attributes:
    photograph: Index of the photograph.
    corner: Position of the piece in the photograph, x, y: 0 if the piece is at
      the left or top edge, 1 if it is at the right or bottom edge.
  """

  photograph: int
  corner: Float[np.ndarray, '2']


class Layer(NamedTuple):
  """A picture of a sequence, and its motion.

  Attributes:
    cutout: Index of the cutout that the picture's outline is taken from, in
      each frame; POLE if the picture is a pole.
    texture: Texture that fills the outline. If None, the outline keeps the
      pixels of the cutout.
    matrix: Affine map from px of the cutout to px of the background photograph,
      in each frame.
    center: Centre of the picture's bounding box in each frame, x, y, px of the
      background photograph.
    color: Linear map of blue, green, red and coverage. It changes the colours
      and leaves the coverage unchanged.
  """

  cutout: Int[np.ndarray, 't']
  texture: Texture | None
  matrix: Float[np.ndarray, 't 2 3']
  center: Float[np.ndarray, 't 2']
  color: Float[np.ndarray, '4 4']


class Plan(NamedTuple):
  """Plan of a sequence; lengths are in px of the background photograph.

  Attributes:
    photograph: Index of the photograph in the background.
    window: Box of the part of the photograph that the camera shows in each
      frame: x, y, w, h.
    mirrored: Whether the parts of a crop that lie outside the window are filled
      with a reflection of the window. Otherwise, they have a plain colour.
    behind: Layers behind the target, from back to front.
    target: Layer of the target.
    before: Layers in front of the target, from back to front.
    box: Bounding box of the target in each frame, including hidden parts: cx,
      cy, w, h.
    light: Factors on blue, green and red, in each frame.
    gamma: Exponent on the brightness in each frame, applied before `light`.
    defocus: Standard deviation of the camera's blur in each frame.
    shutter: Fraction of the interval between frames during which the shutter is
      open.
    quality: Quality of each frame's JPEG, 0 to 100.
  """

  photograph: int
  window: Float[np.ndarray, 't 4']
  mirrored: bool
  behind: tuple[Layer, ...]
  target: Layer
  before: tuple[Layer, ...]
  box: Float[np.ndarray, 't 4']
  light: Float[np.ndarray, 't 3']
  gamma: Float[np.ndarray, 't']
  defocus: Float[np.ndarray, 't']
  shutter: float
  quality: Int[np.ndarray, 't']


def make(
  library: Library, cast: Cast, seed: int, number: int, frames: int
) -> Plan:
  """Samples the plan of a sequence; equal arguments give equal plans.

  Args:
    library: Pictures to choose from.
    cast: Sampler of the pictures.
    seed: Random seed of the composed set, 0 or more.
    number: Index of the sequence, from 0.
    frames: Number of frames.
  """
  return _Script(library, cast, seed, number, frames).plan()


def make_box(
  library: Library, cast: Cast, seed: int, number: int, frames: int
) -> tuple[list[int], Float[np.ndarray, 't 4']]:
  """Samples only the objects of a sequence and the boxes of its target.

  The arguments are those of `make`.

  Returns:
    Indices of the objects that the sequence can show, the target first; and the
    target's box in each frame, equal to `box` in the plan that `make` returns.
  """
  script = _Script(library, cast, seed, number, frames)
  return cast.objects(script.roles), script.box()


class _Actor(NamedTuple):
  """Shape of a layer, before the layer is moved to its position.

  Attributes:
    cutout: Index of the cutout in each frame, or POLE for a pole.
    linear: Linear map from px of the cutout to px of the photograph.
    middle: Centre of the mapped outline's bounding box, x, y, px of the
      photograph.
    half: Half the width and height of this bounding box, px of the photograph.
  """

  cutout: Int[np.ndarray, 't']
  linear: Float[np.ndarray, 't 2 2']
  middle: Float[np.ndarray, 't 2']
  half: Float[np.ndarray, 't 2']

  def scaled(self, factor: float) -> '_Actor':
    """Returns the actor at another size."""
    return self._replace(
      linear=factor * self.linear,
      middle=factor * self.middle,
      half=factor * self.half,
    )

  def repeated(self, frames: int) -> '_Actor':
    """Extends an actor of one frame to `frames` equal frames."""
    return _Actor(
      cutout=np.repeat(self.cutout, frames),
      linear=np.repeat(self.linear, frames, axis=0),
      middle=np.repeat(self.middle, frames, axis=0),
      half=np.repeat(self.half, frames, axis=0),
    )


class _Script:
  """Samples the parts of one sequence, beginning with the target.

  Attributes:
    roles: Pictures that the sequence is composed of: the target, the background
      and the extras.
  """

  def __init__(self, library, cast, seed, number, frames):
    self._library, self._cast, self._frames = library, cast, frames
    counter = [0, number, 0, 0]
    rng = np.random.Generator(np.random.Philox(key=seed, counter=counter))
    self._rng = rng
    self.roles = cast.roles(rng)
    size_hw = library.photograph_size[self.roles.photograph].astype(float)
    self._window = motion.pan(rng, frames, size_hw)
    window_wh = self._window[0, 2:]
    scale = np.exp(rng.uniform(np.log(0.08), np.log(0.3)))
    side = float(window_wh.min() * scale)
    actor = self._actor(cast.cutouts(rng, self.roles.target, frames), side)
    self._target = self._fitted(actor, window_wh)
    path = self._path(self._target.half, window_wh)
    self._center = self._window[:, :2] + path

  def box(self) -> Float[np.ndarray, 't 4']:
    """Returns the target's boxes, cx, cy, w, h, px of the photograph."""
    return np.concatenate([self._center, 2 * self._target.half], axis=1)

  def plan(self) -> Plan:
    """Samples the rest of the sequence and returns the complete plan."""
    rng, frames = self._rng, self._frames
    target = self._layer(self._target, self._center)
    behind, before = self._surroundings()
    # Light, focus and coding are sampled independently for each frame. If they
    # were constant within a sequence, a tracker could use them to recognise
    # positive pairs.
    light = rng.normal(0, 0.12, (frames, 1)) + rng.normal(0, 0.05, (frames, 3))
    coarse = rng.random(frames) < 0.4
    return Plan(
      photograph=self.roles.photograph,
      window=self._window,
      mirrored=bool(rng.random() < 0.65),
      behind=tuple(behind),
      target=target,
      before=tuple(before),
      box=self.box(),
      light=np.exp(light),
      gamma=np.exp(rng.normal(0, 0.15, frames)),
      defocus=np.maximum(0.0, rng.uniform(-1.2, 1.2, frames)),
      shutter=max(0.0, rng.uniform(-0.4, 0.5)),
      quality=np.where(coarse, rng.integers(35, 92, frames), 92),
    )

  def _surroundings(self) -> tuple[list, list]:
    """Samples the layers behind the target and those in front of it."""
    behind = [self._decoy(extra) for extra in self.roles.decoys]
    before = []
    for extra in self.roles.distractors:
      layer = self._distractor(extra)
      (before if self._rng.random() < 0.25 else behind).append(layer)
    before += [self._occluder(extra) for extra in self.roles.occluders]
    return behind, before

  def _actor(self, cutout: Int[np.ndarray, 't'], side: float) -> _Actor:
    """Samples the shape of an object with an area of about `side` squared."""
    library, frames = self._library, len(cutout)
    linear = motion.deformation(self._rng, frames)
    linear = linear * (side / library.side[cutout])[:, None, None]
    middle, half = np.empty((2, frames, 2))
    for number in set(cutout.tolist()):
      when = cutout == number
      # The map is linear, so the bounds are relative to the cutout's origin.
      corners = library.hull[number] @ np.swapaxes(linear[when], 1, 2)
      low, high = corners.min(axis=1), corners.max(axis=1)
      half[when] = (high - low) / 2
      middle[when] = (low + high) / 2
    return _Actor(cutout, linear, middle, half)

  @staticmethod
  def _fitted(actor: _Actor, window_wh: Float[np.ndarray, '2']) -> _Actor:
    """Shrinks an actor, if necessary, to fit into the window with a margin."""
    largest = (0.42 * window_wh / actor.half.max(axis=0)).min()
    return actor.scaled(min(1.0, float(largest)))

  def _path(self, half, window_wh) -> Float[np.ndarray, 't 2']:
    """Samples the path of a target's centre in the window, x, y, px."""
    rng = self._rng
    free = window_wh - 2 * half
    side = 2 * np.sqrt(half.prod(axis=1).mean())
    reach = side * np.exp(rng.uniform(np.log(0.1), np.log(1.2))) / free
    path = rng.uniform(0, 1, 2) + reach * motion.waves(rng, self._frames, 2)
    return half + motion.folded(path) * free

  def _layer(self, actor: _Actor, center, photograph=None) -> Layer:
    """Makes a layer of an actor, at a given position in each frame.

    Args:
      actor: Shape of the layer.
      center: Centre of the layer's bounding box in each frame, x, y, px.
      photograph: Index of the photograph that fills the outline (default: the
        outline keeps the pixels of the cutout).
    """
    shift = (center - actor.middle)[..., None]
    matrix = np.concatenate([actor.linear, shift], axis=2)
    texture = None
    if photograph is not None:
      texture = Texture(photograph, self._rng.random(2))
    color = _look(self._rng)
    return Layer(actor.cutout, texture, matrix, center, color)

  def _distractor(self, extra: Extra) -> Layer:
    """Samples the motion of an object that stays near the target."""
    rng = self._rng
    side = np.sqrt(np.abs(np.linalg.det(self._target.linear[0])))
    side = side * self._library.side[self._target.cutout[0]]
    cutout = self._cast.cutouts(rng, extra.cutout, self._frames)
    other = self._actor(cutout, side * np.exp(rng.normal(0, 0.2)))
    path = motion.waves(rng, self._frames, 2)
    angle = rng.uniform(0, 2 * np.pi) + 0.5 * path[:, 0]
    # In units of `reach`: two boxes side by side touch at a distance of 1.
    distance = np.maximum(rng.uniform(0.6, 2.0) + 0.2 * path[:, 1], 0.5)
    reach = (self._target.half + other.half).mean(axis=0)
    offset = np.stack([np.cos(angle), np.sin(angle)], axis=1) * reach
    return self._layer(other, self._center + distance[:, None] * offset)

  def _decoy(self, extra: Extra) -> Layer:
    """Samples a decoy: a piece of a photograph that does not move.

    The edges of a decoy are as soft as those of the target. Otherwise, a
    tracker could recognise the target by its soft edges alone.
    """
    rng = self._rng
    side = 2 * np.sqrt(self._target.half.prod(axis=1).mean())
    other = self._actor(np.array([extra.cutout]), side * rng.uniform(0.3, 1.2))
    near = self._center[rng.integers(self._frames)]
    position = near + side * rng.uniform(-3, 3, 2)
    center = np.tile(position, (self._frames, 1))
    return self._layer(other.repeated(self._frames), center, extra.texture)

  def _occluder(self, extra: Extra) -> Layer:
    """Samples the motion of an occluder, which the target passes behind."""
    rng = self._rng
    size = 2 * self._target.half.mean(axis=0)
    axis = int(rng.integers(2))
    if extra.cutout == POLE:
      other = self._pole(size, axis)
    else:
      cutout = self._cast.cutouts(rng, extra.cutout, self._frames)
      other = self._actor(cutout, np.sqrt(size.prod()) * rng.uniform(0.4, 0.9))
    speed = rng.choice([-1, 1]) * np.exp(rng.uniform(np.log(0.02), np.log(0.4)))
    moment = rng.integers(self._frames)
    offset = np.empty((self._frames, 2))
    offset[:, axis] = speed * (np.arange(self._frames) - moment)
    offset[:, 1 - axis] = rng.uniform(-0.4, 0.4)
    return self._layer(other, self._center + offset * size, extra.texture)

  def _pole(self, size: Float[np.ndarray, '2'], axis: int) -> _Actor:
    """Samples a pole that is roughly perpendicular to `axis`.

    Args:
      size: Width and height of the target, px.
      axis: Axis along which the target passes the pole, 0 for x and 1 for y.
    """
    rng, frames = self._rng, self._frames
    width = size[axis] * rng.uniform(0.12, 0.5)
    length = size.max() * rng.uniform(3, 8)
    angle = rng.normal(0, 0.15) + (np.pi / 2 if axis else 0.0)
    cos, sin = np.cos(angle), np.sin(angle)
    scale = np.array([width / POLE_HW[1], length / POLE_HW[0]])
    linear = np.array([[cos, -sin], [sin, cos]]) * scale
    middle = linear @ (np.array([POLE_HW[1] - 1, POLE_HW[0] - 1]) / 2)
    half = abs(linear) @ (np.array(POLE_HW[::-1]) / 2)
    pole = _Actor(np.array([POLE]), linear[None], middle[None], half[None])
    return pole.repeated(frames)


# Weights of blue, green and red in the brightness (ITU-R BT.601).
_LUMA = np.array([0.114, 0.587, 0.299])


def _look(rng: np.random.Generator) -> Float[np.ndarray, '4 4']:
  """Samples a linear map of blue, green, red and coverage.

  The map changes the saturation, the contrast, the tint and the brightness, and
  leaves the coverage unchanged.
  """
  saturation = np.exp(rng.normal(0, 0.15))
  contrast = np.exp(rng.normal(0, 0.1))
  gain = contrast * np.exp(rng.normal(0, 0.04, (3, 1)))
  mixed = saturation * np.eye(3) + (1 - saturation) * _LUMA
  # The change of contrast leaves a medium grey of 0.45 unchanged.
  offset = (1 - gain) * 0.45 + rng.normal(0, 0.05)
  color = np.eye(4, dtype=np.float32)
  color[:3] = np.concatenate([gain * mixed, offset], axis=1)
  return color
