"""Reads the YAML file of an experiment of pysot, siamban or NanoTrack."""

import ast
import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from acm_jax.host import names, text_files
from acm_jax.pysot_configs import keys


class Experiment:
  """Values of a YAML file, over the defaults of its codebase.

  Keys are joined by points, such as `TRAIN.LR.TYPE`.

  Attributes:
    path: YAML file.
    codebase: 'pysot', 'siamban' or 'nanotrack'.
  """

  def __init__(self, path: Path):
    """Reads a YAML file.

    Raises:
      OSError: The file does not exist or cannot be read.
      ValueError: The file is not YAML or not of one of the codebases, a key is
        unknown or occurs twice, or a value has the wrong type.
    """
    self.path = path
    given = keys.flatten(_parse(path))
    self.codebase = _codebase(path, given)
    examples = keys.EXAMPLES[self.codebase]
    examples = examples | _own_sets(given, examples)
    named = [key for key in given if not key.startswith(keys.OPEN)]
    if unknown := names.unknown(named, examples):
      raise ValueError(
        f'{path}: {self.codebase} has no such key: {unknown}; correct or '
        'remove it'
      )
    self._given = {
      key: self._converted(key, value, examples[key])
      if key in examples
      else value
      for key, value in given.items()
    }

  def get(self, key: str, default: Any = None) -> Any:
    """Returns a value of the file, or else of the codebase, or `default`."""
    defaults = keys.DEFAULTS[self.codebase]
    return self._given.get(key, defaults.get(key, default))

  def need(self, key: str) -> Any:
    """Returns a value that has no default.

    Raises:
      ValueError: The file does not have the key.
    """
    if key not in self._given:
      raise ValueError(f'{self.path}: has no {key}; add it')
    return self.get(key)

  def require(self, key: str, *ours: Any) -> None:
    """Checks a value without which the network would be another one.

    Raises:
      ValueError: The value is not in `ours`.
    """
    if self.get(key, ours[0]) not in ours:
      raise self.error(key, f'only {" and ".join(map(str, ours))} can be used')

  def error(self, key: str, reason: str) -> ValueError:
    """Returns the error that a value cannot be converted."""
    value = self.get(key)
    return ValueError(f'{self.path}: {key}={value}: {reason}')

  def gives(self, *prefixes: str) -> bool:
    """Returns whether the file itself has a key with one of the prefixes."""
    return any(key.startswith(prefixes) for key in self._given)

  def left(self) -> dict[str, Any]:
    """Returns the values of the file without a counterpart in a config."""
    return {k: v for k, v in self._given.items() if not self._has_place(k, v)}

  def _has_place(self, key: str, value: Any) -> bool:
    if key == 'DATASET.VIDEOS_PER_EPOCH':
      return value > 0
    if keys.matches(key, keys.USED[self.codebase]):
      return True
    if key in keys.SAME:
      return value == self.get(keys.SAME[key])
    default = keys.DEFAULTS[self.codebase].get(key)
    return value in keys.FIXED.get(key, ()) or value == default

  def _converted(self, key: str, value: Any, example: Any) -> Any:
    """Converts a value to the type of an example, as yacs does."""
    if isinstance(value, str) and not isinstance(example, str):
      # YAML reads 5e-5 and (1, 2) as text.
      with contextlib.suppress(SyntaxError, ValueError):
        value = ast.literal_eval(value)
    if isinstance(value, tuple):
      value = list(value)
    kind, fits = _kind(example)
    if not fits(value):
      raise ValueError(f'{self.path}: {key}={value!r}: give {kind}')
    inside, fits = keys.limits(key)
    for number in value if isinstance(value, list) else [value]:
      if _is_number(number) and not fits(number):
        raise ValueError(f'{self.path}: {key}={value!r}: give {kind} {inside}')
    return value


def _parse(path: Path) -> Mapping:
  try:
    content = yaml.load(text_files.read(path), _Loader)
  except yaml.YAMLError as error:
    reason = ' '.join(str(error).split())
    raise ValueError(f'{path}: not YAML ({reason}); correct the file') from None
  if not isinstance(content, Mapping):
    raise ValueError(
      f'{path}: has no keys; give the config.yaml of an experiment of pysot, '
      'siamban or NanoTrack'
    )
  return content


class _Loader(yaml.SafeLoader):
  """Loader that refuses a key that occurs twice in a mapping."""

  def construct_mapping(self, node, deep=False):
    mapping = super().construct_mapping(node, deep)
    if len(mapping) < len(node.value):
      keys = [self.construct_object(key) for key, _ in node.value]
      twice = next(key for key in keys if keys.count(key) > 1)
      raise yaml.constructor.ConstructorError(
        None, None, f'{twice} occurs twice', node.start_mark
      )
    return mapping


def _codebase(path: Path, given: Mapping[str, Any]) -> str:
  """Returns the codebase that an experiment belongs to."""
  sections = {key.partition('.')[0] for key in given}
  backbone = str(given.get('BACKBONE.TYPE'))
  if 'RPN' in sections:
    return 'pysot'
  if 'BAN' in sections:
    light = backbone.startswith('mobilenetv3')
    return 'nanotrack' if light else 'siamban'
  raise ValueError(
    f'{path}: has neither a section RPN nor a section BAN; give the '
    'config.yaml of an experiment of pysot, siamban or NanoTrack'
  )


def _own_sets(
  given: Mapping[str, Any], examples: Mapping[str, Any]
) -> dict[str, Any]:
  """Returns examples for data sets that the codebase itself does not have.

  Such a set has a ROOT and an ANNO.
  """
  own = {
    key.removesuffix('.ROOT')
    for key in given
    if key.startswith('DATASET.') and key.endswith('.ROOT')
  }
  return {
    f'{name}.{key}': value
    for name in own
    for key, value in keys.SET.items()
    if f'{name}.ANNO' in given and f'{name}.{key}' not in examples
  }


def _kind(example: Any) -> tuple[str, Any]:
  """Returns the type of an example in words, and a check of the type."""
  if isinstance(example, bool):
    return 'true or false', lambda value: isinstance(value, bool)
  if isinstance(example, str):
    return 'a text', lambda value: isinstance(value, str)
  if isinstance(example, list):
    if example and isinstance(example[0], str):
      inside, of = 'names', str
    elif example and isinstance(example[0], int):
      inside, of = 'whole numbers', int
    else:
      inside, of = 'numbers', (int, float)

    # A class with a single layer takes a number.
    def fits(value):
      items = value if isinstance(value, list) else [value]
      return all(isinstance(each, of) for each in items)

    return f'a list of {inside}', fits
  if isinstance(example, int):
    return 'a whole number', lambda value: type(value) is int
  return 'a number', _is_number


def _is_number(value: Any) -> bool:
  return isinstance(value, int | float) and not isinstance(value, bool)
