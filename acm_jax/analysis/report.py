"""Writes the findings as JSON and as Markdown tables."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from acm_jax.analysis import findings
from acm_jax.analysis.estimates import Estimate
from acm_jax.analysis.findings import RESPONSES, TEMPLATES, WRONG
from acm_jax.analysis.pairs import RIGHT
from acm_jax.evaluation import tables
from acm_jax.host import text_files

JSON, MARKDOWN = 'analysis.json', 'analysis.md'


def write(
  about: Mapping[str, Any],
  summaries: Mapping[str, Any],
  differences: Mapping[str, Any] | None,
  out: Path,
) -> str:
  """Writes `JSON` and `MARKDOWN`.

  Args:
    about: All that the findings depend on, as JSON values.
    summaries: Means of each tracker, from `findings.summary`.
    differences: Means of `findings.differences`; None for a single tracker.
    out: Existing folder.

  Returns:
    The tables in Markdown.
  """
  results = {'trackers': summaries}
  if differences is not None:
    results['differences'] = differences
  content = {**about, **findings.as_json(results)}
  text_files.write(out / JSON, json.dumps(content, indent=1) + '\n')
  text = _markdown(summaries, differences)
  text_files.write(out / MARKDOWN, text)
  return text


def _markdown(summaries, differences) -> str:
  sections = {
    'Responses to the right template': _responses(summaries),
    'Right and wrong templates': _templates(summaries),
  }
  if differences is not None:
    first, second = summaries
    label = f'{second} minus {first}'
    sections['Differences of the responses'] = _responses({label: differences})
    sections['Differences of the templates'] = _templates({label: differences})
  parts = [
    f'## {title}\n\n{tables.markdown(table)}'
    for title, table in sections.items()
    if len(table) > 1
  ]
  note = 'Means over pairs, with 95% confidence from resampled sequences.\n'
  causes = ''.join(f'`-`: {cause}.\n' for cause in _causes(summaries))
  return '\n'.join([*parts, note + causes])


def _causes(summaries) -> list[str]:
  """Explains the means that are undefined, which the tables show as `-`."""
  causes = dict.fromkeys(['a centred box has no score'])
  for each in summaries.values():
    for means in each['responses'].values():
      missing = {name for name, x in means.items() if np.isnan(x.mean)}
      dead = 'energy_inside' in missing
      found = {
        'the response is zero for all pairs': dead,
        'a single channel has no direction, and no other to compare with': (
          not dead and 'median_peak' in missing
        ),
        'no pair has a distractor': not dead and 'distractor_heat' in missing,
        "the network does not read the size of the target's box": (
          not dead and 'size_change' in missing
        ),
      }
      causes |= dict.fromkeys(cause for cause in found if found[cause])
  return list(causes)


def _responses(trees: Mapping[str, Any]) -> list[list[str]]:
  rows = [
    (label, fusion, means)
    for label, tree in trees.items()
    for fusion, means in tree['responses'].items()
  ]
  # Pairs have another size only if some network reads the size.
  known = {name for _, _, means in rows for name in means}
  shown = {name: text for name, text in RESPONSES.items() if name in known}
  return [
    ['tracker', 'fusion', *shown.values()],
    *(
      [label, fusion, *(_cell(means[name]) for name in shown)]
      for label, fusion, means in rows
    ),
  ]


def _templates(trees: Mapping[str, Any]) -> list[list[str]]:
  present = next(iter(trees.values()))['templates']
  wrong = {kind: text for kind, text in WRONG.items() if kind in present}
  gaps = [f'right minus {text}' for text in wrong.values()]
  rows = [['tracker', 'measure', 'right target', *wrong.values(), *gaps]]
  for label, tree in trees.items():
    for name, heading in TEMPLATES.items():
      estimates = [tree['templates'][kind][name] for kind in (RIGHT, *wrong)]
      estimates += [tree['gaps'][kind][name] for kind in wrong]
      rows.append([label, heading, *map(_cell, estimates)])
  return rows


def _cell(estimate: Estimate) -> str:
  if np.isnan(estimate.mean):
    return '-'
  # The option z writes no negative zero.
  text = f'{estimate.mean:z.3f}'
  if np.isnan(estimate.low):
    return text
  return f'{text} ({estimate.low:z.3f} to {estimate.high:z.3f})'
