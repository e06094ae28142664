"""Compares ACM with each tracker's own fusion, on held-out data.

Trains {siamfc, siamrpn, siamban, nanotrack} with {own, acm, swap, no_prior} and
several seeds (configs/ablation.py), everything else being equal, and tracks:

    composed    300 sequences composed of photographs that no run trains on
    davis       the videos of --masks that the run's fold holds out; the fold is
                the seed modulo three, so that three seeds measure all videos
    measuring   the sequences in --measuring, if given

--init_from must not have seen the photographs either: weights of ImageNet are a
good choice. A run that is complete is not repeated, and an interrupted one goes
on. The tables are printed and written to OUT/ablation.md and OUT/ablation.json;
--report writes them from the runs that are complete, and starts nothing.

Examples:
  PYTHONPATH=. python benchmarks/ablation.py --photographs COCO --masks DAVIS \\
    --backgrounds PHOTOS --init_from runs/imagenet --out runs/ablation
  PYTHONPATH=. python benchmarks/ablation.py --out runs/ablation --report
"""

import itertools
import os
import sys
from pathlib import Path
from typing import Any

from absl import flags

from acm_jax.evaluation import benchmarks
from acm_jax.host import command, config_files
from benchmarks.ablation_stages import data, report, runs, settings
from benchmarks.ablation_stages.data import Data
from benchmarks.ablation_stages.runs import Request, Run
from configs.ablation import FORMS, TRACKERS

# Flag -> words that it accepts.
_WORDS = {'trackers': tuple(TRACKERS), 'forms': tuple(FORMS)}
# Flags that are needed to start runs.
_SOURCES = {
  'photographs': 'Images and polygons in the layout of COCO.',
  'masks': 'Videos and masks in the layout of DAVIS.',
  'init_from': 'Model or training run whose backbone all runs start from.',
}


def define(values: flags.FlagValues) -> None:
  """Defines the command's flags on `values`."""
  optional = {'flag_values': values}
  text = 'Folder of the comparison.'
  flags.DEFINE_string('out', None, text, required=True, **optional)
  for name, text in _SOURCES.items():
    flags.DEFINE_string(name, None, text, **optional)
  flags.DEFINE_list(
    'backgrounds', [], 'Folders of further photographs.', **optional
  )
  flags.DEFINE_string(
    'measuring', None, 'Sequences in the layout `folder`.', **optional
  )
  for name, known in _WORDS.items():
    text = f'Comma-separated {name} (default: all).'
    flags.DEFINE_list(name, list(known), text, **optional)
  flags.DEFINE_list(
    'seeds', ['0', '1', '2'], 'Comma-separated seeds.', **optional
  )
  flags.DEFINE_integer(
    'epochs',
    None,
    'Number of epochs (default: that of the config).',
    lower_bound=2,
    **optional,
  )
  flags.DEFINE_integer(
    'jobs',
    1,
    'Number of runs at once.',
    lower_bound=1,
    upper_bound=len(os.sched_getaffinity(0)),
    **optional,
  )
  flags.DEFINE_bool('report', False, 'Only write the tables.', **optional)


def main(values: flags.FlagValues) -> None:
  """Carries out the runs that are missing, and writes the tables."""
  chosen = _chosen(values)
  folder = Path(values.out)
  if not values.report:
    _carry_out(values, folder, chosen)
  about = settings.read(folder)
  found = {run: runs.result(folder / run.name) for run in chosen}
  print(report.write(folder, found, about, data.targets(folder / 'data')))


def _chosen(values: flags.FlagValues) -> list[Run]:
  """Returns the runs, seed by seed, so that early tables are balanced."""
  for name, known in _WORDS.items():
    if wrong := [word for word in values[name].value if word not in known]:
      raise ValueError(
        f'`{name}`: {", ".join(wrong)} is unknown; choose from '
        f'{", ".join(known)}'
      )
  if not all(seed.isdecimal() for seed in values.seeds):
    raise ValueError(
      f'`seeds`={",".join(values.seeds)}: give numbers, such as 0,1,2'
    )
  for name in ('trackers', 'forms', 'seeds'):
    if not values[name].value:
      raise ValueError(f'`{name}`: give at least one')
  every = itertools.product(values.seeds, values.trackers, values.forms)
  found = [Run(tracker, form, int(seed)) for seed, tracker, form in every]
  return list(dict.fromkeys(found))


def _carry_out(
  values: flags.FlagValues, folder: Path, chosen: list[Run]
) -> None:
  for name in _SOURCES:
    if not values[name].value:
      raise ValueError(f'give `{name}`, or `report`, which starts no runs')
  sources = Data(
    folder / 'data',
    Path(values.photographs),
    Path(values.masks),
    tuple(map(Path, values.backgrounds)),
  )
  changes = {} if values.epochs is None else {'train.epochs': values.epochs}
  settings.claim(folder, _settings(values, folder, sources))
  missing = [run for run in chosen if runs.result(folder / run.name) is None]
  sources.write({data.fold_of(run.seed) for run in missing})
  print(f'{len(chosen) - len(missing)} of {len(chosen)} runs are complete')
  requests = [
    _request(values, folder, sources, run, changes) for run in missing
  ]
  for run, found, seconds in runs.carry_out(requests, values.jobs):
    means = [
      f'{name} {sum(each.values()) / len(each):.3f}'
      for name, each in found.get(runs.OVERLAPS, {}).items()
    ]
    outcome = ', '.join(means) or f'diverged: {found[runs.DIVERGED]}'
    print(f'{run.name}: {outcome} ({seconds:.0f} s)', flush=True)


def _settings(
  values: flags.FlagValues, folder: Path, sources: Data
) -> dict[str, Any]:
  """Returns what the results depend on, apart from tracker, form and seed."""
  train = config_files.load('ablation')['train']
  epochs = values.epochs or train['epochs']
  return {
    'pairs': epochs * train['pairs_per_epoch'],
    'backbone': runs.write_backbone(folder, values.init_from),
    'measuring': _names(values.measuring),
    **sources.contents(),
  }


def _names(measuring: str | None) -> list[str]:
  """Returns the names of the sequences in --measuring."""
  if measuring is None:
    return []
  found = benchmarks.sequences(benchmarks.get('folder'), Path(measuring))
  return sorted(video.name for video in found)


def _request(
  values: flags.FlagValues,
  folder: Path,
  sources: Data,
  run: Run,
  changes: dict[str, Any],
) -> Request:
  fold = data.fold_of(run.seed)
  measures = {
    'composed': ('folder', str(sources.sequences), []),
    'davis': ('davis', str(sources.masks), sources.held_out_videos(fold)),
  }
  if values.measuring:
    measures['measuring'] = ('folder', values.measuring, [])
  workdir, data_dir = str(folder / run.name), str(sources.fold(fold))
  return Request(run, workdir, data_dir, changes, measures)


if __name__ == '__main__':
  sys.exit(command.run(define, main, __doc__))
