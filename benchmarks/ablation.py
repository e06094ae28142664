"""Compares ACM with each tracker's own fusion, on held-out data.

Trains {siamfc, siamrpn, siamban, nanotrack} with {own, acm, swap, no_prior} and
several seeds (configs/ablation.py), everything else being equal, and tracks:

    composed    300 sequences composed of photographs that no run trains on
    davis       the videos of --masks that the run's fold holds out; the fold is
                the seed modulo five, so that five seeds measure all videos
    measuring   the sequences in --measuring, if given

A run that is complete is not repeated, and an interrupted one goes on. The
tables, with paired bootstrap intervals, are printed and written to
OUT/ablation.md and OUT/ablation.json; --report writes them from the runs that
are complete, and starts nothing.

Examples:
  PYTHONPATH=. python benchmarks/ablation.py --photographs COCO --masks DAVIS \\
    --backgrounds PHOTOS --init_from runs/nanotrackv3 --out runs/ablation
  PYTHONPATH=. python benchmarks/ablation.py --photographs COCO --masks DAVIS \\
    --init_from runs/nanotrackv3 --trackers siamban --forms own,swap \\
    --seeds 0 --out runs/two
"""

import itertools
import sys
from pathlib import Path

from absl import flags

from acm_jax.host import command
from benchmarks.ablation_stages import report, runs
from benchmarks.ablation_stages.data import Data
from benchmarks.ablation_stages.runs import Request, Run
from configs.ablation import FORMS, TRACKERS

# Flag -> words that it accepts.
_WORDS = {'trackers': tuple(TRACKERS), 'forms': tuple(FORMS)}


def define(values: flags.FlagValues) -> None:
  """Defines the command's flags on `values`."""
  for name, text in (
    ('photographs', 'Images and polygons in the layout of COCO.'),
    ('masks', 'Videos and masks in the layout of DAVIS.'),
    ('init_from', 'Model or training run whose backbone all runs start from.'),
    ('out', 'Folder of the comparison.'),
  ):
    flags.DEFINE_string(name, None, text, required=True, flag_values=values)
  optional = {'flag_values': values}
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
    'seeds', ['0', '1', '2', '3', '4'], 'Comma-separated seeds.', **optional
  )
  flags.DEFINE_integer(
    'epochs',
    None,
    'Number of epochs (default: that of the config).',
    lower_bound=2,
    **optional,
  )
  flags.DEFINE_integer(
    'jobs', 1, 'Number of runs at once.', lower_bound=1, **optional
  )
  flags.DEFINE_bool('report', False, 'Only write the tables.', **optional)


def main(values: flags.FlagValues) -> None:
  """Carries out the runs that are missing, and writes the tables."""
  chosen = _chosen(values)
  folder = Path(values.out)
  if not values.report:
    _carry_out(values, folder, chosen)
  found = {run: runs.overlaps(folder / run.name) for run in chosen}
  complete = {run: each for run, each in found.items() if each is not None}
  if not complete:
    raise ValueError(f'`out`={folder}: no run is complete; leave out `report`')
  about = {
    'init_from': values.init_from,
    'epochs': values.epochs,
    'missing': [run.name for run in chosen if run not in complete],
  }
  print(report.write(folder, complete, about))


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
  seeds = map(int, values.seeds)
  every = itertools.product(seeds, values.trackers, values.forms)
  return [Run(tracker, form, seed) for seed, tracker, form in every]


def _carry_out(
  values: flags.FlagValues, folder: Path, chosen: list[Run]
) -> None:
  missing = [run for run in chosen if runs.overlaps(folder / run.name) is None]
  data = Data(
    folder / 'data',
    Path(values.photographs),
    Path(values.masks),
    tuple(map(Path, values.backgrounds)),
  )
  data.write({run.fold for run in missing})
  if missing:
    runs.write_backbone(folder, values.init_from)
  requests = [_request(values, folder, data, run) for run in missing]
  print(f'{len(chosen) - len(missing)} of {len(chosen)} runs are complete')
  for run, found, seconds in runs.carry_out(requests, values.jobs):
    means = [
      f'{name} {sum(each.values()) / len(each):.3f}'
      for name, each in found.items()
      if name != runs.DIVERGED
    ]
    outcome = ', '.join(means) or f'diverged: {found[runs.DIVERGED]}'
    print(f'{run.name}: {outcome} ({seconds:.0f} s)', flush=True)


def _request(
  values: flags.FlagValues, folder: Path, data: Data, run: Run
) -> Request:
  measures = {
    'composed': ('folder', str(data.sequences), []),
    'davis': ('davis', str(data.masks), data.held_out_videos(run.fold)),
  }
  if values.measuring:
    measures['measuring'] = ('folder', values.measuring, [])
  changes = {} if values.epochs is None else {'train.epochs': values.epochs}
  return Request(
    run,
    str(folder / run.name),
    str(data.fold(run.fold)),
    changes,
    measures,
  )


if __name__ == '__main__':
  sys.exit(command.run(define, main, __doc__))
