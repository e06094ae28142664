"""Findings on one or two trackers: measures of all pairs, and their means."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from acm_jax.analysis import response
from acm_jax.analysis.estimates import Estimate, Sampling
from acm_jax.analysis.measure import Measured
from acm_jax.analysis.pairs import OTHER, RIGHT, SAME_CLASS, SIZE, Pair
from acm_jax.geometry import boxes

# Measures of a response and of a template, in the order of the tables. Keys are
# names in analysis.json.
RESPONSES = {
  'distractor': 'pairs with distractor',
  'distractor_heat': 'heat of distractor',
  'cosine': 'cosine',
  'centered_cosine': 'centred cosine',
  'median_peak': "median channel's peak",
  'area': 'cells at target',
  'energy_inside': 'energy at target',
  'best_overlap': 'best-threshold overlap',
  'change': 'change by wrong template',
  'size_change': 'change by wrong size',
}
TEMPLATES = {'iou': 'IoU', 'score': 'score'}
# A box of the right template's size at the centre of the search crop, which no
# tracker has selected.
CENTERED = 'centered'
# What the right template is compared with.
WRONG = {
  OTHER: 'another target',
  SAME_CLASS: 'another of the class',
  SIZE: "another target's size",
  CENTERED: 'centred box',
}


@dataclasses.dataclass(frozen=True)
class Values:
  """Measures of one tracker for each of n pairs; NaN where undefined.

  Attributes:
    responses: Measures of each fusion; keys are paths of the fusions, then
      names in `RESPONSES`.
    peaks: Maxima of the channels of each fusion, as in `Statistics.peaks`.
    templates: Measures of each kind of template, and of `CENTERED`; keys are
      kinds, then names in `TEMPLATES`.
  """

  responses: dict[str, dict[str, Float[np.ndarray, 'n']]]
  peaks: dict[str, Float[np.ndarray, 'n q']]
  templates: dict[str, dict[str, Float[np.ndarray, 'n']]]


def values(measured: Measured, pairs: Pair) -> Values:
  """Collects the measures of pairs.

  Args:
    measured: Measures of the pairs, as NumPy arrays.
    pairs: The pairs.
  """
  unknown = np.full(len(pairs.truth), np.nan)

  def known(kind, measure):
    """Returns a measure of a template, NaN where there is no such template."""
    if kind not in measured.found:
      return unknown
    return np.where(pairs.exists[kind], measure(measured.found[kind]), np.nan)

  median = response.RANKS.index(0.5)
  responses, peaks = {}, {}
  for name, each in measured.statistics.items():
    peaks[name] = each.peaks
    responses[name] = {
      'distractor': each.distractor,
      'distractor_heat': each.distractor_heat,
      'cosine': each.cosine,
      'centered_cosine': each.centered_cosine,
      'median_peak': each.peaks[:, median],
      'area': each.area,
      'energy_inside': each.energy_inside,
      'best_overlap': each.best_overlap,
    }
    for key, kind in (('change', OTHER), ('size_change', SIZE)):
      if kind in pairs.exists:
        change = known(kind, lambda found, name=name: found.change[name])
        responses[name][key] = change
  templates = {
    kind: {
      'iou': known(kind, lambda found: found.iou),
      'score': known(kind, lambda found: found.score),
    }
    for kind in pairs.exists
  }
  centered = boxes.iou(
    boxes.cxcywh_to_xyxy(_centered(pairs.box_size[RIGHT])),
    boxes.cxcywh_to_xyxy(pairs.truth),
  )
  templates[CENTERED] = {'iou': centered, 'score': unknown}
  return Values(responses, peaks, templates)


def _centered(size: Float[np.ndarray, 'n 2']) -> Float[np.ndarray, 'n 4']:
  return np.concatenate([np.zeros_like(size), size], axis=1)


def join(parts: Sequence[Values]) -> Values:
  """Joins the measures of successive batches."""
  trees = [vars(part) for part in parts]
  return Values(**jax.tree.map(lambda *x: np.concatenate(x), *trees))


def gaps(each: Values) -> dict[str, dict[str, Float[np.ndarray, 'n']]]:
  """Subtracts the measures of all other templates from those of the right one.

  Returns:
    Differences; keys are names in `WRONG`, then in `TEMPLATES`.
  """
  right = each.templates[RIGHT]
  return {
    kind: {name: right[name] - x for name, x in wrong.items()}
    for kind, wrong in each.templates.items()
    if kind != RIGHT
  }


def summary(each: Values, sampling: Sampling) -> dict[str, Any]:
  """Estimates the means of all measures of a tracker.

  Returns:
    Dictionaries with an `Estimate` at each leaf: `responses` and `templates`
    as in `Values`, `gaps` as `gaps` returns them. In addition `peaks`: for each
    fusion with several channels, the channels' maxima, one for each of
    `response.RANKS`.
  """
  trees = {
    'responses': each.responses,
    'templates': each.templates,
    'gaps': gaps(each),
  }
  means = jax.tree.map(sampling.estimate, trees)
  peaks = {
    name: [sampling.estimate(ratio) for ratio in x.T]
    for name, x in each.peaks.items()
    if not np.isnan(x).all()
  }
  return means | {'peaks': peaks}


def differences(
  first: Values, second: Values, sampling: Sampling
) -> dict[str, Any]:
  """Estimates by how much the measures of a tracker exceed those of another.

  The difference is taken pair by pair. Fusions are compared if they have the
  same path in both networks, or if each of them is the only fusion of the same
  branch, such as cls/acm and cls/xcorr.

  Args:
    first: Measures of the tracker that is subtracted.
    second: Measures of the other tracker, for the same pairs.
    sampling: Sequences of the pairs.

  Returns:
    Dictionaries like those of `summary`, without `peaks` and without
    `CENTERED`, which does not depend on the tracker; keys of `responses` are
    'PATH - PATH', or PATH if both paths are the same.
  """

  def subtract(a, b):
    return sampling.estimate(b - a)

  def of_trackers(kinds):
    return {kind: x for kind, x in kinds.items() if kind != CENTERED}

  def compare(trees):
    return jax.tree.map(subtract, *map(of_trackers, trees))

  matched = matches(list(first.responses), list(second.responses))
  return {
    'responses': {
      b if a == b else f'{b} - {a}': jax.tree.map(
        subtract, first.responses[a], second.responses[b]
      )
      for a, b in matched
    },
    'templates': compare((first.templates, second.templates)),
    'gaps': compare((gaps(first), gaps(second))),
  }


def matches(first: list[str], second: list[str]) -> list[tuple[str, str]]:
  """Returns the paths of the fusions that `differences` compares."""
  if first == second:
    return list(zip(first, second, strict=True))
  same = [(name, name) for name in first if name in second]
  lone = [_lone(names) for names in (first, second)]
  branches = [branch for branch in lone[0] if branch in lone[1]]
  return same or [(lone[0][branch], lone[1][branch]) for branch in branches]


def _lone(names: list[str]) -> dict[str, str]:
  """Returns the fusions that are alone in their branch; keys are branches."""
  branches: dict[str, list[str]] = {}
  for name in names:
    branches.setdefault(name.rpartition('/')[0], []).append(name)
  return {k: paths[0] for k, paths in branches.items() if len(paths) == 1}


def as_json(tree: Any) -> Any:
  """Converts a tree of estimates to JSON values; NaN becomes None."""
  if isinstance(tree, Estimate):
    tree = tree._asdict()
  if isinstance(tree, dict):
    return {name: as_json(x) for name, x in tree.items()}
  if isinstance(tree, list | tuple):
    return [as_json(x) for x in tree]
  return None if isinstance(tree, float) and np.isnan(tree) else tree
