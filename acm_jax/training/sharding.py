"""Placement of arrays: a mesh of devices, and rules that split parameters.

The mesh has the axes `data` and `fsdp`. Batches are split over all devices.
Parameters are split over the axis `fsdp` if a rule requires it, and are copied
along the axis `data`.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from acm_jax.training import expressions
from data_pipelines.batch import RawBatch

_DATA, _FSDP = 'data', 'fsdp'


def _replicate(shape: tuple[int, ...], parts: int) -> PartitionSpec:
  """Keeps the whole array on every device."""
  return PartitionSpec()


def _split_largest(shape: tuple[int, ...], parts: int) -> PartitionSpec:
  """Splits the largest axis whose size is a multiple of `parts`, if any."""
  if parts == 1:
    return PartitionSpec()
  fits = [axis for axis, size in enumerate(shape) if size % parts == 0]
  if not fits:
    return PartitionSpec()
  largest = max(fits, key=lambda axis: shape[axis])
  return PartitionSpec(*[None] * largest, _FSDP)


RULES: dict[str, Callable[[tuple[int, ...], int], PartitionSpec]] = {
  'replicate': _replicate,
  'fsdp': _split_largest,
}


@dataclasses.dataclass(frozen=True)
class Sharding:
  """Section `sharding` of a config.

  Attributes:
    fsdp: Number of devices over which a parameter is split; must divide the
      number of all devices.
    rules: Pairs of a regular expression and a key of `RULES`. The first
      expression that matches the beginning of a parameter's path decides:
      `replicate` keeps the parameter on every device; `fsdp` splits the
      parameter along the largest axis whose size is a multiple of the attribute
      `fsdp`, if there is such an axis. The parameter's momentum and average are
      split like the parameter.
  """

  fsdp: int = 1
  rules: Sequence[tuple[str, str]] = (('', 'fsdp'),)

  def __post_init__(self):
    if type(self.fsdp) is not int or self.fsdp < 1:
      raise ValueError(f'fsdp={self.fsdp!r}: give a whole number, 1 or more')
    expressions.check_pairs('rules', self.rules, ('backbone/', 'fsdp'))
    for pattern, rule in self.rules:
      if rule not in RULES:
        raise ValueError(
          f'rules: unknown rule {rule!r} for {pattern!r}; choose from '
          f'{", ".join(RULES)}'
        )

  def specs(self, params: Any) -> dict[str, PartitionSpec]:
    """Returns the partition of each parameter by the first matching rule.

    Args:
      params: Parameters, as arrays or shapes.

    Returns:
      A dictionary from paths of parameters, such as 'head/kernel', to
      partitions.

    Raises:
      ValueError: A parameter matches no rule, or a rule is never the first
        that matches.
    """
    rules = dict(self.rules)
    assigned = expressions.assign('rules', list(rules), params)
    specs = jax.tree.map(
      lambda pattern, leaf: RULES[rules[pattern]](leaf.shape, self.fsdp),
      assigned,
      params,
    )
    return dict(expressions.named(specs))


def make_mesh(
  fsdp: int = 1, devices: Sequence[jax.Device] | None = None
) -> Mesh:
  """Arranges devices in a mesh with the axes `data` and `fsdp`.

  Args:
    fsdp: Size of the axis `fsdp`.
    devices: Devices to arrange (default: the devices of all processes).

  Raises:
    ValueError: The number of devices is not a multiple of `fsdp`.
  """
  devices = jax.devices() if devices is None else devices
  if len(devices) % fsdp:
    raise ValueError(
      f'config.sharding: fsdp={fsdp} does not divide the number of devices, '
      f'{len(devices)}; give one of '
      f'{", ".join(map(str, _divisors(len(devices))))}'
    )
  return jax.make_mesh(
    (len(devices) // fsdp, fsdp),
    (_DATA, _FSDP),
    axis_types=(AxisType.Auto, AxisType.Auto),
    devices=devices,
  )


def _divisors(number: int) -> list[int]:
  return [each for each in range(1, number + 1) if number % each == 0]


def replicated(mesh: Mesh) -> NamedSharding:
  """Returns the sharding of arrays with a full copy on every device."""
  return NamedSharding(mesh, PartitionSpec())


def split(mesh: Mesh) -> NamedSharding:
  """Returns the sharding of batches: an equal part for each device."""
  return NamedSharding(mesh, PartitionSpec((_DATA, _FSDP)))


def placed(shapes: Any, shardings: Any) -> Any:
  """Returns shapes with shardings, as `jax.ShapeDtypeStruct`.

  Args:
    shapes: Tree of arrays or shapes.
    shardings: Tree of the same structure, or a prefix of it, of shardings.
  """

  def place(sharding, part):
    return jax.tree.map(
      lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), part
    )

  return jax.tree.map(place, shardings, shapes)


def gather(tree: Any, mesh: Mesh) -> Any:
  """Returns arrays with a full copy on every device of a mesh."""
  return jax.device_put(tree, replicated(mesh))


def of_state(state: Any, sharding: Sharding, mesh: Mesh) -> Any:
  """Returns the sharding of every array of a training state.

  Momentum and averages are split like their parameters: an array belongs to a
  parameter if its path ends with the parameter's path and the shapes are equal.

  Args:
    state: `TrainState` of arrays or shapes.
    sharding: Rules for the parameters.
    mesh: Mesh of the devices to train on.

  Returns:
    A tree with the structure of `state`, whose leaves are shardings.
  """
  specs = sharding.specs(state.params)
  shapes = {path: leaf.shape for path, leaf in expressions.named(state.params)}

  def sharding_of(path, leaf):
    names = expressions.joined(path).split('/')
    endings = ('/'.join(names[start:]) for start in range(len(names)))
    owner = next((ending for ending in endings if ending in specs), None)
    if owner is None or shapes[owner] != leaf.shape:
      return replicated(mesh)
    return NamedSharding(mesh, specs[owner])

  return jax.tree_util.tree_map_with_path(sharding_of, state)


def check_batch_size(batch_size: int, mesh: Mesh, accumulate: int = 1) -> None:
  """Checks that a batch can be split over the devices of a mesh.

  Args:
    batch_size: Number of pairs in a step.
    mesh: Mesh of the devices to train on.
    accumulate: Number of parts of a batch that are processed one after the
      other; each part is split over the devices.

  Raises:
    ValueError: The batch size is not a multiple of the number of devices times
      the number of parts; the message names the nearest multiples.
  """
  shares = mesh.size * accumulate
  rest = batch_size % shares
  if rest:
    below, above = batch_size - rest, batch_size - rest + shares
    parts = f' in {accumulate} parts (`accumulate`)' if accumulate > 1 else ''
    raise ValueError(
      f'batch_size={batch_size} cannot be split over {mesh.size} devices'
      f'{parts}: make it {f"{below} or " if below else ""}{above}'
    )


def put(raw: RawBatch, mesh: Mesh) -> RawBatch:
  """Puts a batch on the devices of a mesh.

  Args:
    raw: Part of the batch that this process has read.
    mesh: Mesh of the devices to train on.

  Returns:
    The global batch of all processes, split over the devices.
  """

  def to_global(array: np.ndarray) -> jax.Array:
    return jax.make_array_from_process_local_data(split(mesh), array)

  return RawBatch._make(map(to_global, raw))
