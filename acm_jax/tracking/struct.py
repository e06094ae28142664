"""Dataclasses that are pytrees."""

import typing

import flax.struct


def struct(cls: type) -> type:
  """Turns a class into a frozen dataclass that is a pytree.

  The type annotations describe a single instance. They are not checked, because
  fields may also hold stacked arrays, tracers, shapes or shardings.
  """
  return typing.no_type_check(flax.struct.dataclass(cls))
