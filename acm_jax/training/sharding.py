"""Data parallelism: one mesh axis, the state everywhere, the batch split."""

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from data_pipelines.batch import RawBatch

_AXIS = 'data'


def make_mesh() -> Mesh:
  """All devices of all processes, side by side."""
  return jax.make_mesh(
    (jax.device_count(),), (_AXIS,), axis_types=(AxisType.Auto,)
  )


def replicated(mesh: Mesh) -> NamedSharding:
  """The whole array on every device."""
  return NamedSharding(mesh, PartitionSpec())


def split(mesh: Mesh) -> NamedSharding:
  """The first axis in equal parts over the devices."""
  return NamedSharding(mesh, PartitionSpec(_AXIS))


def check_batch_size(batch_size: int, mesh: Mesh) -> None:
  """Checks that a batch can be split.

  Raises:
    ValueError: Its size is not a multiple of the number of devices; the message
      names the nearest that are.
  """
  rest = batch_size % mesh.size
  if rest:
    below, above = batch_size - rest, batch_size - rest + mesh.size
    raise ValueError(
      f'batch_size={batch_size} cannot be split over {mesh.size} devices: '
      f'make it {f"{below} or " if below else ""}{above}'
    )


def put(raw: RawBatch, mesh: Mesh) -> RawBatch:
  """Global arrays from the part of the batch that this process has read."""

  def one(array: np.ndarray) -> jax.Array:
    return jax.make_array_from_process_local_data(split(mesh), array)

  return RawBatch(*map(one, raw))
