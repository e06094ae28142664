"""Tables of the comparison, as Markdown and JSON."""

import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from acm_jax.host import text_files
from acm_jax.host.staging import replacing
from benchmarks.ablation_stages import statistics
from benchmarks.ablation_stages.runs import DIVERGED, OVERLAPS, PARAMETERS, Run
from benchmarks.ablation_stages.statistics import Estimate, Overlaps

# Form that the others are compared with.
_REFERENCE = 'own'
# Contrasts of the means over trackers: name, and the two forms.
_CONTRASTS = {
  'acm - own': ('acm', _REFERENCE),
  'swap - own': ('swap', _REFERENCE),
  'no_prior - own': ('no_prior', _REFERENCE),
  'acm - no_prior (the prior)': ('acm', 'no_prior'),
  'acm - swap (the 3x3 convolutions)': ('acm', 'swap'),
}

# Results of runs; None for a run that is not complete.
Results = Mapping[Run, Mapping[str, Any] | None]
# Overlaps of each tracker and form.
Cells = Mapping[tuple[str, str], Overlaps]


def write(
  folder: Path,
  found: Results,
  about: Mapping[str, Any],
  targets: Mapping[str, str],
) -> str:
  """Writes ablation.md and ablation.json, and returns the former.

  Args:
    folder: Folder of the comparison.
    found: Result of every run, as in `runs.result`.
    about: Settings of the comparison, for ablation.json.
    targets: Target of each sequence, as in `data.targets`.

  Raises:
    ValueError: No run is complete.
  """
  complete = {run: each for run, each in found.items() if each is not None}
  if not complete:
    raise ValueError(f'{folder}: no run is complete')
  measures = dict.fromkeys(
    itertools.chain(*(each.get(OVERLAPS, ()) for each in complete.values()))
  )
  tables = {name: _tables(complete, name, targets) for name in measures}
  content = {
    'settings': dict(about),
    'tables': tables,
    'results': {run.name: dict(each) for run, each in complete.items()},
    'missing': [run.name for run, each in found.items() if each is None],
  }
  texts = [_text(name, each) for name, each in tables.items()]
  text = '\n\n'.join(texts + _remarks(found))
  for name, data in (
    ('ablation.md', text + '\n'),
    ('ablation.json', json.dumps(content, indent=2) + '\n'),
  ):
    with replacing(folder / name) as path:
      text_files.write(path, data)
  return text


def _tables(
  complete: Results, measure: str, targets: Mapping[str, str]
) -> dict[str, Any]:
  """Returns the tables of a measure.

  Returns:
    The numbers of sequences and targets, the difference that can be detected, a
    row for each tracker and form, and a row for each contrast.
  """
  cells: dict[tuple[str, str], dict[int, Any]] = {}
  for run, each in complete.items():
    own = cells.setdefault((run.tracker, run.form), {})
    if measure in each.get(OVERLAPS, ()):
      own[run.seed] = each[OVERLAPS][measure]
  differences = {
    (tracker, form): paired
    for tracker, form in cells
    if form != _REFERENCE
    and (paired := _paired(cells, tracker, form, _REFERENCE))
  }
  estimates = statistics.estimates(list(differences.values()), targets)
  gains = dict(zip(differences, estimates, strict=True))
  freedom = sum(len(each) - 1 for each in differences.values())
  names = {
    name for own in cells.values() for each in own.values() for name in each
  }
  return {
    'sequences': len(names),
    'targets': len({targets.get(name, name) for name in names}),
    'detectable': statistics.detectable(estimates, freedom),
    'rows': [
      _row(complete, key, own, gains.get(key)) for key, own in cells.items()
    ],
    'contrasts': _contrasts(cells, targets),
  }


def _row(
  complete: Results,
  key: tuple[str, str],
  overlaps: Overlaps,
  gain: Estimate | None,
) -> dict[str, Any]:
  own = [each for run, each in complete.items() if run[:2] == key]
  values = [value for each in overlaps.values() for value in each.values()]
  return {
    'tracker': key[0],
    'form': key[1],
    'parameters': next((x[PARAMETERS] for x in own if PARAMETERS in x), None),
    'seeds': sorted(overlaps),
    'diverged': sum(DIVERGED in each for each in own),
    'overlap': float(np.mean(values)) if values else None,
    'gain': gain,
  }


def _contrasts(
  cells: Cells, targets: Mapping[str, str]
) -> list[dict[str, Any]]:
  """Compares forms in the mean over trackers."""
  found, counts = {}, {}
  for name, forms in _CONTRASTS.items():
    each = [
      paired
      for tracker in dict.fromkeys(tracker for tracker, _ in cells)
      if (paired := _paired(cells, tracker, *forms))
    ]
    if len(each) > 1 and (mean := statistics.average(each)):
      found[name], counts[name] = mean, len(each)
  estimates = statistics.estimates(list(found.values()), targets)
  return [
    {'contrast': name, 'trackers': counts[name], 'difference': each}
    for name, each in zip(found, estimates, strict=True)
  ]


def _paired(cells: Cells, tracker: str, ours: str, theirs: str) -> Overlaps:
  """Returns the difference between two forms; empty if one has no overlaps."""
  return statistics.difference(
    cells.get((tracker, ours), {}), cells.get((tracker, theirs), {})
  )


def _text(measure: str, tables: Mapping[str, Any]) -> str:
  """Returns the tables of a measure as Markdown."""
  title = (
    f'**{measure}**: {tables["sequences"]} sequences of {tables["targets"]} '
    'targets.'
  )
  if tables['detectable'] is not None:
    title += (
      f' A true difference of {tables["detectable"]:.3f} would be found in '
      'four of five repetitions.'
    )
  rows = [
    (
      row['tracker'],
      row['form'],
      '' if row['parameters'] is None else f'{row["parameters"] / 1e6:.2f} M',
      f'{len(row["seeds"])}'
      + (f' ({row["diverged"]} diverged)' if row['diverged'] else ''),
      '' if row['overlap'] is None else f'{row["overlap"]:.3f}',
      '' if row['gain'] is None else _shown(row['gain']),
    )
    for row in tables['rows']
  ]
  head = 'tracker', 'fusion', 'parameters', 'seeds', 'overlap', 'gain over own'
  parts = [title, _markdown(head, rows)]
  if contrasts := tables['contrasts']:
    rows = [
      (row['contrast'], row['trackers'], _shown(row['difference']))
      for row in contrasts
    ]
    parts.append(_markdown(('contrast', 'trackers', 'mean difference'), rows))
  return '\n\n'.join(parts)


def _markdown(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
  lines = [head, ['---'] * len(head), *rows]
  return '\n'.join(f'| {" | ".join(map(str, line))} |' for line in lines)


def _shown(estimate: Estimate) -> str:
  if estimate.error is None:
    return f'{estimate.mean:+.3f}'
  return f'{estimate.mean:+.3f} ({estimate.low:+.3f} to {estimate.high:+.3f})'


def _remarks(found: Results) -> list[str]:
  """Says which runs the tables lack, and why."""
  lines = [
    f'- {run.name} diverged: {each[DIVERGED]}'
    for run, each in found.items()
    if each is not None and DIVERGED in each
  ]
  if missing := [run.name for run, each in found.items() if each is None]:
    lines.append(f'- not complete: {", ".join(missing)}')
  return ['\n'.join(lines)] if lines else []
