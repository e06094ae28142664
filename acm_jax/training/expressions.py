"""Regular expressions that select parameters by their paths.

The path of a parameter consists of the names of its modules and its own name,
joined by '/'. An expression selects a parameter if it matches the beginning of
the parameter's path.
"""

import re
from collections.abc import Sequence
from typing import Any

import jax


def check_pairs(name: str, pairs: Any, example: tuple[str, Any]) -> None:
  """Checks pairs of a regular expression and a value.

  Args:
    name: Name of the argument that holds the pairs, for messages.
    pairs: Pairs to check.
    example: Valid pair, for the message. The values of all pairs must have the
      type of the value in this pair.

  Raises:
    ValueError: `pairs` is not a sequence of such pairs, or an expression is
      malformed or occurs twice.
  """
  # A whole number is a valid float.
  kinds = (float, int) if isinstance(example[1], float) else type(example[1])

  def is_pair(pair):
    is_two = isinstance(pair, tuple | list) and len(pair) == 2
    return is_two and isinstance(pair[1], kinds)

  if isinstance(pairs, str) or not all(map(is_pair, pairs)):
    raise ValueError(f'{name}={pairs!r}: give a tuple of pairs like {example}')
  check(name, [pattern for pattern, _ in pairs])


def check(name: str, patterns: Any) -> None:
  """Checks that an argument is a tuple of different regular expressions.

  Args:
    name: Name of the argument, for messages.
    patterns: Value of the argument.

  Raises:
    ValueError: The argument is a string, or an expression is malformed or
      occurs twice.
  """
  if isinstance(patterns, str):
    raise ValueError(
      f'{name}={patterns!r}: give a tuple of regular expressions'
    )
  for pattern in patterns:
    try:
      re.compile(pattern)
    except (re.error, TypeError) as error:
      raise ValueError(
        f'{name}: {pattern!r} is not a regular expression ({error})'
      ) from None
  if repeated := sorted({p for p in patterns if list(patterns).count(p) > 1}):
    raise ValueError(
      f'{name}: expressions occur more than once: '
      f'{", ".join(map(repr, repeated))}; remove the repetitions'
    )


def joined(path: Sequence[Any]) -> str:
  """Returns a JAX key path as text, joined by '/', such as 'head/kernel'."""
  return jax.tree_util.keystr(tuple(path), simple=True, separator='/')


def named(tree: Any) -> list[tuple[str, Any]]:
  """Lists the leaves of a tree with their paths, such as 'head/kernel'."""
  return [
    (joined(path), leaf)
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
  ]


def assign(name: str, patterns: Sequence[str], tree: Any) -> Any:
  """Finds, for each parameter, the first expression that selects it.

  An expression selects a parameter if it matches the beginning of the
  parameter's path, such as 'head/kernel'.

  Args:
    name: Name of the argument that holds the expressions, for messages.
    patterns: Regular expressions.
    tree: Parameters, as arrays or shapes.

  Returns:
    A tree with the structure of `tree`; its leaves are the expressions found.

  Raises:
    ValueError: A parameter is not selected by any expression, or an expression
      is never the first that selects a parameter.
  """

  def first(path, _):
    parameter = joined(path)
    matching = [each for each in patterns if re.match(each, parameter)]
    if not matching:
      raise ValueError(
        f'{name}: no expression selects the parameter {parameter}; add '
        "'' as the last expression, which selects all remaining parameters"
      )
    return matching[0]

  assigned = jax.tree_util.tree_map_with_path(first, tree)
  used = set(jax.tree.leaves(assigned))
  if unused := [pattern for pattern in patterns if pattern not in used]:
    raise ValueError(
      f'{name}: expressions have no effect: {", ".join(map(repr, unused))} '
      '(they match no parameter, or earlier expressions select their '
      'parameters); correct or remove these expressions, or move them up'
    )
  return assigned
