"""Times operators or whole steps on this machine.

Every form of one thing is timed in turn in the same run. Writes OUT as JSON,
{device, threads, jax, part, rows}, and prints the rows as a table.

Example:
  python -m acm_jax.speed --part fusion --against benchmarks/forms.py \\
    --out speed.json
"""

import sys
from pathlib import Path

from absl import flags

from acm_jax.host import command
from acm_jax.timing import run


def define(values: flags.FlagValues) -> None:
  """Defines the command's flags on `values`."""
  optional = {'flag_values': values}
  flags.DEFINE_enum(
    'part',
    'fusion',
    list(run.PARTS),
    "fusion: every fusion and MobileNet's depthwise convolutions. step: a "
    'training step and a tracked frame of every tracker. input: reading of '
    'pairs from --clips.',
    **optional,
  )
  flags.DEFINE_string('out', None, 'JSON file.', required=True, **optional)
  flags.DEFINE_string(
    'against',
    None,
    'Python file with further forms to time, in OTHERS.',
    **optional,
  )
  flags.DEFINE_string(
    'clips', None, 'Folder of a clip set, for --part input.', **optional
  )
  flags.DEFINE_integer(
    'batch_size', 16, 'Samples in a batch.', lower_bound=1, **optional
  )
  flags.DEFINE_list(
    'only',
    None,
    'Comma-separated beginnings of the names of operators or trackers.',
    **optional,
  )


def main(values: flags.FlagValues) -> None:
  """Times what the flags name."""
  request = run.Request(
    values.part,
    values.batch_size,
    tuple(values.only or ('',)),
    Path(values.against) if values.against else None,
    Path(values.clips) if values.clips else None,
  )
  print(run.run(request, Path(values.out)))


if __name__ == '__main__':
  sys.exit(command.run(define, main, __doc__))
