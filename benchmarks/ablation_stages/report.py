"""Tables of the comparison, as Markdown and JSON."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from acm_jax.host import text_files
from acm_jax.host.staging import replacing
from benchmarks.ablation_stages import statistics
from benchmarks.ablation_stages.runs import DIVERGED, Run
from benchmarks.ablation_stages.statistics import Estimate, Overlaps

# Form that the others are compared with.
REFERENCE = 'own'


def write(
  folder: Path,
  found: Mapping[Run, Mapping[str, Any]],
  about: Mapping[str, Any],
) -> str:
  """Writes ablation.md and ablation.json, and returns the former.

  Args:
    folder: Folder of the comparison.
    found: Overlaps of every complete run, as in `runs.overlaps`.
    about: Settings of the comparison, for ablation.json.
  """
  measures = list(
    dict.fromkeys(
      name for values in found.values() for name in values if name != DIVERGED
    )
  )
  rows = list(_rows(found, measures))
  text = '\n\n'.join(
    [*(_table(rows, name) for name in measures), *_diverged(found)]
  )
  content = {
    **about,
    'rows': rows,
    'overlaps': {run.name: dict(values) for run, values in found.items()},
  }
  for name, data in (
    ('ablation.md', text + '\n'),
    ('ablation.json', json.dumps(content, indent=2) + '\n'),
  ):
    with replacing(folder / name) as path:
      text_files.write(path, data)
  return text


def _rows(
  found: Mapping[Run, Mapping[str, Any]], measures: Sequence[str]
) -> Iterator[dict[str, Any]]:
  """Yields a row for each tracker, form and measure."""
  for measure in measures:
    for tracker in dict.fromkeys(run.tracker for run in found):
      forms = {
        form: _overlaps(found, tracker, form, measure)
        for form in dict.fromkeys(r.form for r in found if r.tracker == tracker)
      }
      own = forms.get(REFERENCE, {})
      row = {'measure': measure, 'tracker': tracker}
      if len(own) > 1 and len({frozenset(v) for v in own.values()}) == 1:
        row['detectable'] = statistics.detectable(own)
      for form, overlaps in forms.items():
        if not overlaps:
          continue
        each = row | {'form': form, 'seeds': sorted(overlaps)}
        each['overlap'] = statistics.mean(overlaps)
        if form != REFERENCE and set(own) & set(overlaps):
          each['gain'] = statistics.difference(overlaps, own)
        yield each


def _overlaps(
  found: Mapping[Run, Mapping[str, Any]], tracker: str, form: str, measure: str
) -> Overlaps:
  return {
    run.seed: values[measure]
    for run, values in found.items()
    if (run.tracker, run.form) == (tracker, form) and measure in values
  }


def _table(rows: Sequence[Mapping[str, Any]], measure: str) -> str:
  head = ('tracker', 'form', 'seeds', 'average overlap', 'gain over `own`')
  lines = [f'**{measure}**', '', _line(head), _line(['---'] * len(head))]
  least = {}
  for row in rows:
    if row['measure'] != measure:
      continue
    gain = _shown(row['gain'], sign='+') if 'gain' in row else ''
    cells = row['tracker'], row['form'], len(row['seeds'])
    lines.append(_line([*cells, _shown(row['overlap']), gain]))
    if 'detectable' in row:
      least[row['tracker']] = row['detectable']
  if least:
    each = ', '.join(f'{name} {value:.3f}' for name, value in least.items())
    lines += ['', f'Smallest difference that can be detected: {each}.']
  return '\n'.join(lines)


def _diverged(found: Mapping[Run, Mapping[str, Any]]) -> list[str]:
  lines = [
    f'- {run.name}: {values[DIVERGED]}'
    for run, values in found.items()
    if DIVERGED in values
  ]
  return ['\n'.join(['Runs that diverged:', '', *lines])] if lines else []


def _shown(estimate: Estimate, sign: str = '') -> str:
  middle, low, high = (f'{value:{sign}.3f}' for value in estimate)
  return f'{middle} ({low} to {high})'


def _line(cells: Sequence[Any]) -> str:
  return f'| {" | ".join(map(str, cells))} |'
