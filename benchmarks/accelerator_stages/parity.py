"""Relative errors of network outputs; the reference is the official code."""

import concurrent.futures
import functools
import importlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from acm_jax import trackers
from acm_jax.tracking.contract import Tracker, Variables
from acm_jax.weights import convert, verify
from benchmarks.accelerator_stages.settings import Row, Settings
from tests import formulas

# Keys are networks with reference outputs. Values are the name of a config and
# its argument.
CONFIGS = {
  'nanotrack_v3': ('nanotrack', None),
  'siamban_acm_r50': ('siamban_acm', None),
  'siamban_r50': ('siamban', None),
  'siamfc_alexv1': ('siamfc', None),
  'siamrpn_alex': ('siamrpn', 'backbone=alexnet_legacy'),
  'siamrpn_mobilev2': ('siamrpn', 'backbone=mobilenet_v2'),
  'siamrpn_r50': ('siamrpn', None),
}
REHEARSED = ('siamfc_alexv1', 'siamrpn_alex')
PRECISIONS = ('highest', 'default')
_SUFFIX = '.keys.json'


def rows(settings: Settings) -> Iterator[Row]:
  """Yields a row for each output, with the relative error in each precision."""
  names = REHEARSED if settings.rehearse else reference_names()
  # Networks run in parallel threads, because compilation takes most of the
  # time.
  with concurrent.futures.ThreadPoolExecutor() as pool:
    waiting = {pool.submit(_errors, name): name for name in names}
    for done in concurrent.futures.as_completed(waiting):
      try:
        yield from done.result()
      except (RuntimeError, ValueError) as error:
        yield {'network': waiting[done], 'error': str(error).split('\n')[0]}


def reference_names() -> list[str]:
  """Returns the networks with reference outputs in tests/reference."""
  paths = formulas.REFERENCE.glob(f'*{_SUFFIX}')
  return sorted(path.name.removesuffix(_SUFFIX) for path in paths)


@functools.cache
def model(name: str) -> tuple[dict[str, Any], Tracker, Variables]:
  """Returns config, tracker and weights of a network with reference outputs.

  The weights are computed by a formula.

  Raises:
    ValueError: `CONFIGS` has no config for the network.
  """
  if name not in CONFIGS:
    raise ValueError(
      f'tests/reference/{name}: no config for this network; add one to CONFIGS '
      f'in {__file__}'
    )
  file, argument = CONFIGS[name]
  config = importlib.import_module(f'configs.{file}').get_config(argument)
  section = config.to_dict()['tracker']
  weights = formulas.state_dict(name)
  variables, _ = convert.convert(section['name'], weights, section)
  return config.to_dict(), trackers.make(**section), variables


def _errors(name: str) -> list[Row]:
  _, tracker, variables = model(name)
  figures = formulas.load(name)
  sizes = {'template': tracker.template_size, 'search': tracker.search_size}
  for image, size in sizes.items():
    figures[image] = np.moveaxis(formulas.image(image, size), -1, 1)
  rows: dict[str, Row] = {}
  for precision in PRECISIONS:
    errors = verify.errors(tracker, variables, figures, precision)
    for output, (_, relative) in errors.items():
      row = rows.setdefault(output, {'network': name, 'output': output})
      row[precision] = relative
  return list(rows.values())
