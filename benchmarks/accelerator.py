"""Does all that should happen when an accelerator is at hand.

Runs stages, each in a process of its own up to its time limit, and writes every
figure to OUT/accelerator.json as it comes, so that a call that is cut off still
counts. Prints the figures as Markdown tables at the end. Exit code 1 says that
a stage failed or was stopped; the others have run all the same.

Without TensorFlow a rehearsal trains on the clip set `synthetic` of the pack,
which has to be the one that configs/siamban_acm.py:quickstart,tiny makes.

Examples:
  PYTHONPATH=. python benchmarks/accelerator.py --rehearse --out /tmp/rehearsal
  PYTHONPATH=. python benchmarks/accelerator.py --out OUT --stage device,step
  pip download --no-deps ml-collections --dest WHEELS
  PYTHONPATH=. python benchmarks/accelerator.py --pack PACK --data DATA \\
    --sequences DAVIS --checkpoint runs/nanotrackv3 --wheels WHEELS
  PYTHONPATH=. python benchmarks/accelerator.py --out OUT --packed PACK \\
    --stage train --config configs/nanotrack_acm.py --minutes 6
  python -m benchmarks.accelerator_stages.pieces \\
    --list OUT/nanotrack_acm.pieces.json --out runs/nanotrack_acm
"""

import shlex
import signal
import sys
from pathlib import Path

from absl import flags

from acm_jax.host import command
from benchmarks.accelerator_stages import packing, record, runner
from benchmarks.accelerator_stages.settings import Settings, Training

STAGES = (
  'device',
  'parity',
  'operators',
  'parts',
  'step',
  'torch_step',
  'lanes',
  'train',
)
# It ends by itself, in less than a minute on two idle cores.
_REHEARSED_CONFIG, _REHEARSED_MINUTES = 'siamban_acm.py:quickstart,tiny', 15.0
# For the start, the last checkpoint and the pieces, beyond the minutes.
_TRAINING_MARGIN_SECONDS = 120.0


def define(values: flags.FlagValues) -> None:
  """Defines the command's flags on `values`."""
  texts = {
    'out': 'New folder of the results.',
    'packed': 'Folder that --pack wrote: data, checkpoints, wheels.',
    'config': 'What the stage train trains, configs/F.py or configs/F.py:ARG.',
    'train_flags': 'Further flags of acm_jax.train, in one string.',
    'report': 'An accelerator.json whose tables are printed; no stage runs.',
    'pack': 'New folder that the following are collected in; no stage runs.',
    'data': 'Of --pack: folder of clip sets.',
    'sequences': 'Of --pack: root of the sequences of --benchmark.',
    'wheels': 'Of --pack: folder of wheels that the machine lacks.',
  }
  for name, text in texts.items():
    flags.DEFINE_string(name, None, text, flag_values=values)
  optional = {'flag_values': values}
  text = f'Stages to run, of {",".join(STAGES)}; all but train by default.'
  flags.DEFINE_list('stage', None, text, **optional)
  text = 'Of --pack: runs or conversions whose weights are taken.'
  flags.DEFINE_list('checkpoint', [], text, **optional)
  text = 'What the packed sequences are of.'
  flags.DEFINE_string('benchmark', 'davis', text, **optional)
  text = 'Runs every stage at toy size.'
  flags.DEFINE_bool('rehearse', False, text, **optional)
  text = 'Seconds of a stage but train.'
  flags.DEFINE_float('limit', 180.0, text, lower_bound=1.0, **optional)
  text = 'Minutes of training, compiling included.'
  flags.DEFINE_float('minutes', 6.0, text, lower_bound=0.05, **optional)


def main(values: flags.FlagValues) -> None:
  """Packs, shows a report, or runs the stages.

  Raises:
    RuntimeError: A stage failed or was stopped.
    ValueError: A flag is wrong or missing.
  """
  if values.pack:
    _pack(values)
    return
  if values.report:
    print(record.tables(record.read(Path(values.report))))
    return
  if not values.out:
    raise ValueError('--out is missing: name the folder of the results')
  if values.packed:
    packed = Path(values.packed)
    if not packed.is_dir():
      raise FileNotFoundError(f'--packed {packed}: no such folder')
    packing.use_wheels(packed)
  settings, stages = _settings(values), _stages(values)
  kept = record.Record(settings.out, {'rehearsal': settings.rehearse})
  modules = {name: f'{runner.__package__}.{name}' for name in stages}
  limits = dict.fromkeys(stages, values.limit)
  if 'train' in limits:
    seconds = 60 * settings.training.minutes
    limits['train'] = seconds + _TRAINING_MARGIN_SECONDS
  runner.run(modules, limits, settings, kept)
  print(record.tables(kept.report))
  if incomplete := kept.incomplete():
    raise RuntimeError(f'stages are incomplete: {"; ".join(incomplete)}')


def _pack(values: flags.FlagValues) -> None:
  folders = {
    name: Path(values[name].value)
    for name in ('data', 'sequences', 'wheels')
    if values[name].value
  }
  out = Path(values.pack)
  sizes = packing.pack(out, checkpoints=values.checkpoint, **folders)
  for name, size in sizes.items():
    print(f'{size / 2**20:8.2f} MiB  {name}')
  print(f'{sum(sizes.values()) / 2**20:8.2f} MiB  {out}')


def _stages(values: flags.FlagValues) -> tuple[str, ...]:
  named = values.stage or (STAGES if values.rehearse else STAGES[:-1])
  unknown = set(named) - set(STAGES)
  if unknown:
    raise ValueError(
      f'--stage {",".join(sorted(unknown))}: there are {", ".join(STAGES)}'
    )
  if 'train' in named and not (values.config or values.rehearse):
    raise ValueError('--config is missing: the stage train needs one')
  return tuple(name for name in STAGES if name in named)


def _settings(values: flags.FlagValues) -> Settings:
  config, minutes = values.config, values.minutes
  if values.rehearse and not config:
    config = f'{Path(__file__).parents[1]}/configs/{_REHEARSED_CONFIG}'
    minutes = _REHEARSED_MINUTES
  return Settings(
    out=Path(values.out).resolve(),
    rehearse=values.rehearse,
    packed=Path(values.packed).resolve() if values.packed else None,
    benchmark=values.benchmark,
    training=Training(
      config or '', minutes, tuple(shlex.split(values.train_flags or ''))
    ),
  )


if __name__ == '__main__':
  # As Ctrl-C, so that the stages end too.
  signal.signal(signal.SIGTERM, signal.default_int_handler)
  sys.exit(command.run(define, main, __doc__))
