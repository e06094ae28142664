"""Runs all measurements that need an accelerator.

Each stage runs in its own process and with a time limit. Every result is
written to OUT/accelerator.json immediately, so that the results survive an
interruption. At the end, the results are printed as Markdown tables. If a stage
fails or is stopped, the other stages run nevertheless, and the exit code is 1.

A pack is a folder of data, sequences, checkpoints and wheels for a machine
that cannot download them. --pack writes it, and --packed uses it.

A rehearsal (--rehearse) runs every stage at toy size. Without TensorFlow it
cannot generate its training data; the pack must then contain the clip set
`synthetic` that the config siamban_acm:quickstart,tiny generates.

Examples:
  PYTHONPATH=. python benchmarks/accelerator.py --rehearse --out /tmp/rehearsal
  PYTHONPATH=. python benchmarks/accelerator.py --out OUT --stage device,step
  pip download --no-deps ml-collections --dest WHEELS
  PYTHONPATH=. python benchmarks/accelerator.py --pack PACK --data DATA \\
    --sequences DAVIS --checkpoint runs/nanotrackv3 --wheels WHEELS
  PYTHONPATH=. python benchmarks/accelerator.py --out OUT --packed PACK \\
    --stage train --config nanotrack_acm --minutes 6
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
  'kernels',
  'train',
)
# This training ends by itself, in less than a minute on two idle cores.
_REHEARSED_CONFIG, _REHEARSED_MINUTES = 'siamban_acm.py:quickstart,tiny', 15.0
# Added to the time limit of training: time for the start, the last checkpoint
# and the pieces.
_TRAINING_MARGIN_SECONDS = 120.0


def define(values: flags.FlagValues) -> None:
  """Defines the command's flags on `values`."""
  texts = {
    'out': 'New folder for the results.',
    'packed': 'Folder that --pack wrote; the stages use its content.',
    'config': 'Config for the stage train, as for `acm-jax train`.',
    'train_flags': 'Further flags of `acm-jax train`, in one string.',
    'report': 'File accelerator.json whose tables to print; no stage runs.',
    'pack': (
      'New folder in which to collect --data, --sequences, --wheels and '
      '--checkpoint; no stage runs.'
    ),
    'data': 'Folder of prepared data sets, to pack.',
    'sequences': 'Root folder of the sequences of --benchmark, to pack.',
    'wheels': (
      'Folder of wheels to pack, of packages that the machine with the '
      'accelerator lacks.'
    ),
  }
  for name, text in texts.items():
    flags.DEFINE_string(name, None, text, flag_values=values)
  optional = {'flag_values': values}
  text = (
    f'Comma-separated stages to run, of {", ".join(STAGES)} (default: all but '
    'train; with --rehearse, all).'
  )
  flags.DEFINE_list('stage', None, text, **optional)
  text = 'Comma-separated runs or converted models whose weights to pack.'
  flags.DEFINE_list('checkpoint', [], text, **optional)
  text = 'Benchmark of the packed sequences.'
  flags.DEFINE_string('benchmark', 'davis', text, **optional)
  text = 'Run every stage at toy size.'
  flags.DEFINE_bool('rehearse', False, text, **optional)
  text = 'Time limit of every stage except train, in seconds.'
  flags.DEFINE_float('limit', 180.0, text, lower_bound=1.0, **optional)
  text = 'Duration of the stage train, including compilation, in minutes.'
  flags.DEFINE_float('minutes', 6.0, text, lower_bound=0.05, **optional)


def main(values: flags.FlagValues) -> None:
  """Writes a pack, prints a report, or runs the stages.

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
    raise ValueError('`out`: missing; give a new folder for the results')
  if values.packed:
    packed = Path(values.packed)
    if not packed.is_dir():
      raise FileNotFoundError(
        f'`packed`={packed}: no such folder; give a folder that `pack` wrote'
      )
    packing.use_wheels(packed)
  settings, stages = _settings(values), _stages(values)
  results = record.Record(settings.out, {'rehearsal': settings.rehearse})
  modules = {name: f'{runner.__package__}.{name}' for name in stages}
  limits = dict.fromkeys(stages, values.limit)
  if 'train' in limits:
    seconds = 60 * settings.training.minutes
    limits['train'] = seconds + _TRAINING_MARGIN_SECONDS
  runner.run(modules, limits, settings, results)
  print(record.tables(results.report))
  if incomplete := results.incomplete():
    raise RuntimeError(f'incomplete stages: {"; ".join(incomplete)}')


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
  default = set(STAGES) if values.rehearse else set(STAGES) - {'train'}
  requested = set(values.stage or default)
  if unknown := requested - set(STAGES):
    raise ValueError(
      f'`stage`={",".join(sorted(unknown))}: unknown; choose from '
      f'{", ".join(STAGES)}'
    )
  if 'train' in requested and not (values.config or values.rehearse):
    raise ValueError('`config`: missing; give a config for the stage train')
  return tuple(name for name in STAGES if name in requested)


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
      config=config or '',
      minutes=minutes,
      flags=tuple(shlex.split(values.train_flags or '')),
    ),
  )


if __name__ == '__main__':
  # SIGTERM has the effect of Ctrl-C, so that the running stage ends, too.
  signal.signal(signal.SIGTERM, signal.default_int_handler)
  sys.exit(command.run(define, main, __doc__))
