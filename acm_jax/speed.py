"""Times operators, whole steps, the input pipeline or the training loop.

--part fusion times every fusion and convolutions of the backbones.
--part step times a training step and a tracking step of every network, and
--part track the tracking step only.
--part input times reading pairs from --clips.
--part train times the training loop of every network with pairs from --clips.

The implementations of an operation are timed in turns, so that noise of the
machine affects all of them alike. Writes the JSON file --out, with the keys
device, threads, jax, part, batch_size and rows, and prints the rows as a table.

Example:
  acm-jax speed --part fusion --against benchmarks/forms.py --out speed.json
"""

import sys
from pathlib import Path

from absl import flags

from acm_jax.host import command
from acm_jax.timing import run
from acm_jax.tracking import programs


def define(values: flags.FlagValues) -> None:
  """Defines the command's flags on `values`."""
  optional = {'flag_values': values}
  flags.DEFINE_enum(
    'part', 'fusion', list(run.PARTS), 'Part to time.', **optional
  )
  flags.DEFINE_string(
    'out', None, 'JSON file to write.', required=True, **optional
  )
  flags.DEFINE_list(
    'against',
    [],
    'Comma-separated Python files with a variable OTHERS that defines more '
    'implementations to time; see benchmarks/forms.py, benchmarks/pytorch.py, '
    'benchmarks/exported.py and benchmarks/onnx_step.py.',
    **optional,
  )
  flags.DEFINE_string(
    'clips',
    None,
    'Folder of the clip set to read with --part input and --part train.',
    **optional,
  )
  flags.DEFINE_integer(
    'batch_size', 16, 'Number of samples per batch.', lower_bound=1, **optional
  )
  flags.DEFINE_list(
    'only',
    None,
    'Comma-separated prefixes of the names of the operators or networks to '
    'time (default: all).',
    **optional,
  )


def main(values: flags.FlagValues) -> None:
  """Times the requested part and prints the table."""
  request = run.Request(
    values.part,
    values.batch_size,
    tuple(values.only or ('',)),
    tuple(map(Path, values.against)),
    Path(values.clips) if values.clips else None,
  )
  # As the command that the part is about.
  programs.reuse_memory(large=request.part == 'train')
  print(run.run(request, Path(values.out)))


if __name__ == '__main__':
  sys.exit(command.run(define, main, __doc__))
