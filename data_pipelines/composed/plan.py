"""What happens in a composed sequence: which picture lies where and when."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from data_pipelines.composed import motion
from data_pipelines.composed.cast import POLE, POLE_HW, Cast, Extra
from data_pipelines.composed.library import Library


class Texture(NamedTuple):
  """A piece of a photograph that fills an outline.

  Attributes:
    photograph: Its number.
    corner: First column and row of the piece, as parts of what is free.
  """

  photograph: int
  corner: Float[np.ndarray, '2']


class Layer(NamedTuple):
  """A picture that moves.

  Attributes:
    cutout: Whose outline it has in each frame, or POLE.
    texture: What fills the outline instead of the cutout.
    matrix: From px of the cutout to px of the scene's photograph.
    center: Middle of its bounds, px of the photograph.
    color: Of blue, green, red and coverage: those that are drawn.
  """

  cutout: Int[np.ndarray, 't']
  texture: Texture | None
  matrix: Float[np.ndarray, 't 2 3']
  center: Float[np.ndarray, 't 2']
  color: Float[np.ndarray, '4 4']


class Plan(NamedTuple):
  """A sequence; lengths are in px of its photograph.

  Attributes:
    photograph: What everything lies on.
    window: Part of the photograph that the camera shows, x, y, w, h.
    mirrored: Whether the part goes on mirrored instead of ending.
    behind: Layers behind the target, from back to front.
    target: The target.
    before: Layers in front of the target, from back to front.
    box: Bounds of the whole target, cx, cy, w, h.
    light: Factors on blue, green and red.
    gamma: Exponent on the brightness, before the light.
    defocus: Standard deviation of the camera's blur.
    shutter: Part of the time between frames in which the shutter is open.
    quality: Of the JPEGs, 0 to 100.
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
  """Draws a sequence, a pure function of the arguments.

  Args:
    library: Pictures to choose from.
    cast: How they are chosen.
    seed: Of all sequences, 0 or more.
    number: Of this sequence, from 0.
    frames: Its length.
  """
  return _Script(library, cast, seed, number, frames).plan()


def make_box(
  library: Library, cast: Cast, seed: int, number: int, frames: int
) -> tuple[list[int], Float[np.ndarray, 't 4']]:
  """Draws as much of a sequence as its objects and its box need.

  Returns:
    The objects that can be seen, the target first, and the box of `make` with
    the same arguments.
  """
  script = _Script(library, cast, seed, number, frames)
  return cast.objects(script.roles), script.box()


class _Actor(NamedTuple):
  """A layer's picture and shape before it has a place.

  Attributes:
    cutout: See `Layer`.
    linear: From px of the cutout to px of the photograph, about `middle`.
    middle: Point of the cutout that is put in its place.
    half: Half the width and height of its bounds.
  """

  cutout: Int[np.ndarray, 't']
  linear: Float[np.ndarray, 't 2 2']
  middle: Float[np.ndarray, 't 2']
  half: Float[np.ndarray, 't 2']


class _Script:
  """Draws the parts of one sequence, the target first.

  Attributes:
    roles: Pictures that take part.
  """

  def __init__(self, library, cast, seed, number, frames):
    self._library, self._cast, self._frames = library, cast, frames
    counter = [0, number, 0, 0]
    rng = np.random.Generator(np.random.Philox(key=seed, counter=counter))
    self._rng = rng
    self.roles = cast.roles(rng)
    size_hw = library.photograph_size[self.roles.photograph].astype(float)
    self._window = motion.pan(rng, frames, size_hw)
    room = self._window[0, 2:]
    side = float(room.min() * np.exp(rng.uniform(np.log(0.08), np.log(0.3))))
    actor = self._actor(cast.cutouts(rng, self.roles.target, frames), side)
    self._target = self._fitted(actor, room)
    path = self._path(self._target.half, room)
    self._center = self._window[:, :2] + path

  def box(self) -> Float[np.ndarray, 't 4']:
    """Returns the target's box."""
    return np.concatenate([self._center, 2 * self._target.half], axis=1)

  def plan(self) -> Plan:
    """Draws what else there is."""
    rng, frames = self._rng, self._frames
    target = self._layer(self._target, self._center)
    behind, before = self._company()
    # Light, focus and coding are drawn for each frame alone: if the frames of a
    # sequence shared them, they would tell positive pairs from negative ones.
    light = rng.normal(0, 0.12, (frames, 1)) + rng.normal(0, 0.05, (frames, 3))
    coarse = rng.random(frames) < 0.4
    return Plan(
      self.roles.photograph,
      self._window,
      bool(rng.random() < 0.65),
      tuple(behind),
      target,
      tuple(before),
      self.box(),
      light=np.exp(light),
      gamma=np.exp(rng.normal(0, 0.15, frames)),
      defocus=np.maximum(0.0, rng.uniform(-1.2, 1.2, frames)),
      shutter=max(0.0, rng.uniform(-0.4, 0.5)),
      quality=np.where(coarse, rng.integers(35, 92, frames), 92),
    )

  def _company(self) -> tuple[list, list]:
    """Draws what is behind and before the target."""
    behind = [self._decoy(extra) for extra in self.roles.decoys]
    before = []
    for extra in self.roles.distractors:
      layer = self._distractor(extra)
      (before if self._rng.random() < 0.25 else behind).append(layer)
    before += [self._occluder(extra) for extra in self.roles.occluders]
    return behind, before

  def _actor(self, cutout: Int[np.ndarray, 't'], side: float) -> _Actor:
    """Draws the shape of an object whose area is about side x side."""
    library, frames = self._library, len(cutout)
    linear = motion.deformation(self._rng, frames)
    linear = linear * (side / library.side[cutout])[:, None, None]
    middle, half = np.empty((2, frames, 2))
    for number in set(cutout.tolist()):
      when = cutout == number
      # Bounds about the origin, then the point that lies in their middle.
      corners = library.hull[number] @ np.swapaxes(linear[when], 1, 2)
      low, high = corners.min(axis=1), corners.max(axis=1)
      half[when] = (high - low) / 2
      middle[when] = (low + high) / 2
    return _Actor(cutout, linear, middle, half)

  @staticmethod
  def _fitted(actor: _Actor, room: Float[np.ndarray, '2']) -> _Actor:
    """Shrinks an actor that would not be in the picture as a whole."""
    factor = min(1.0, float((0.42 * room / actor.half.max(axis=0)).min()))
    return _Actor(actor.cutout, *(factor * part for part in actor[1:]))

  def _path(self, half, room) -> Float[np.ndarray, 't 2']:
    """Draws a target's way in the picture."""
    rng = self._rng
    free = room - 2 * half
    side = 2 * np.sqrt(half.prod(axis=1).mean())
    reach = side * np.exp(rng.uniform(np.log(0.1), np.log(1.2))) / free
    path = rng.uniform(0, 1, 2) + reach * motion.waves(rng, self._frames, 2)
    return half + motion.folded(path) * free

  def _layer(self, actor: _Actor, center, photograph=None) -> Layer:
    """Puts an actor's middle at a place in each frame."""
    shift = (center - actor.middle)[..., None]
    matrix = np.concatenate([actor.linear, shift], axis=2)
    texture = None
    if photograph is not None:
      texture = Texture(photograph, self._rng.random(2))
    color = _look(self._rng)
    return Layer(actor.cutout, texture, matrix, center, color)

  def _distractor(self, extra: Extra) -> Layer:
    """Draws the way of an object that keeps near the target."""
    rng = self._rng
    side = np.sqrt(np.abs(np.linalg.det(self._target.linear[0])))
    side = side * self._library.side[self._target.cutout[0]]
    cutout = self._cast.cutouts(rng, extra.cutout, self._frames)
    other = self._actor(cutout, side * np.exp(rng.normal(0, 0.2)))
    path = motion.waves(rng, self._frames, 2)
    angle = rng.uniform(0, 2 * np.pi) + 0.5 * path[:, 0]
    # At 1 the boxes touch.
    distance = np.maximum(rng.uniform(0.6, 2.0) + 0.2 * path[:, 1], 0.5)
    reach = (self._target.half + other.half).mean(axis=0)
    offset = np.stack([np.cos(angle), np.sin(angle)], axis=1) * reach
    return self._layer(other, self._center + distance[:, None] * offset)

  def _decoy(self, extra: Extra) -> Layer:
    """Draws where something lies that looks cut out, too."""
    rng = self._rng
    side = 2 * np.sqrt(self._target.half.prod(axis=1).mean())
    other = self._actor(np.array([extra.cutout]), side * rng.uniform(0.3, 1.2))
    near = self._center[rng.integers(self._frames)]
    place = near + side * rng.uniform(-3, 3, 2)
    still = _Actor(*(np.repeat(part, self._frames, axis=0) for part in other))
    center = np.tile(place, (self._frames, 1))
    return self._layer(still, center, extra.texture)

  def _occluder(self, extra: Extra) -> Layer:
    """Draws the way of something that the target passes behind."""
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
    """Draws a pole across the direction in which it is passed."""
    rng, frames = self._rng, self._frames
    width = size[axis] * rng.uniform(0.12, 0.5)
    length = size.max() * rng.uniform(3, 8)
    angle = rng.normal(0, 0.15) + (np.pi / 2 if axis else 0.0)
    cos, sin = np.cos(angle), np.sin(angle)
    scale = np.array([width / POLE_HW[1], length / POLE_HW[0]])
    linear = np.array([[cos, -sin], [sin, cos]]) * scale
    middle = linear @ (np.array([POLE_HW[1] - 1, POLE_HW[0] - 1]) / 2)
    half = abs(linear) @ (np.array(POLE_HW[::-1]) / 2)
    return _Actor(
      np.full(frames, POLE),
      *(np.broadcast_to(x, (frames, *x.shape)) for x in (linear, middle, half)),
    )


# Of blue, green and red in brightness (ITU-R BT.601).
_LUMA = np.array([0.114, 0.587, 0.299])


def _look(rng: np.random.Generator) -> Float[np.ndarray, '4 4']:
  """Draws saturation, contrast, colour cast and brightness of a layer."""
  saturation = np.exp(rng.normal(0, 0.15))
  contrast = np.exp(rng.normal(0, 0.1))
  gain = contrast * np.exp(rng.normal(0, 0.04, (3, 1)))
  mixed = saturation * np.eye(3) + (1 - saturation) * _LUMA
  # Contrast leaves a middle grey as it is.
  offset = (1 - gain) * 0.45 + rng.normal(0, 0.05)
  color = np.eye(4, dtype=np.float32)
  color[:3] = np.concatenate([gain * mixed, offset], axis=1)
  return color
