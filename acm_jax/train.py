"""Trains a tracker, or resumes the training run in a folder.

The folder gets config.json, checkpoints/, metrics.jsonl, TensorBoard events
and, when the run ends, curves.png. SIGINT, SIGTERM or SIGHUP ends the run with
a checkpoint, from which the same command resumes the run. The run keeps its
newest checkpoints and the checkpoint with the best validation result. Other
commands read the latter as DIR@best, where DIR is the folder of the run.

Examples:
  acm-jax train --config siamban_acm:quickstart --workdir runs/quickstart
  acm-jax train --config finetune --init_from small --data_dir SEQUENCES
"""

import os
import sys
from pathlib import Path

from absl import flags
from ml_collections import config_flags

from acm_jax.host import command, config_files
from acm_jax.tracking import programs
from acm_jax.training import processes
from acm_jax.training.train import dry_run, train


def define(values: flags.FlagValues) -> None:
  """Defines the command's flags on `values`."""
  config_files.define(values)
  texts = {
    'workdir': 'Folder of the run (default: runs/<name of the config>).',
    'data_dir': 'Folder of the prepared data sets, or, for a config with the '
    'section `own`, of your own sequences (default: $ACM_DATA).',
    'init_from': 'Source of the initial weights of a new run: name of a model '
    'in the package, folder of a model, or folder DIR of a training run. '
    'DIR@STEP or DIR@best selects a checkpoint of a training run. A config '
    'without the section `tracker` trains the tracker that this names.',
    'teacher': 'Tracker to imitate: a model or a training run, given as in '
    '`init_from`. Requires the config section `teacher`.',
    'validation_dir': 'Root folder of the benchmark named in the config '
    'section `validation`.',
    'coordinator': 'Trains together with other processes: `auto` if Slurm, '
    'Open MPI, Kubernetes or a TPU slice started them, or HOST:PORT of the '
    'first process.',
  }
  counts = {
    'process_count': 'Number of processes, if `coordinator` is HOST:PORT.',
    'process_index': 'Number of this process, from 0, if `coordinator` is '
    'HOST:PORT.',
  }
  for name, text in texts.items():
    flags.DEFINE_string(name, None, text, flag_values=values)
  for name, text in counts.items():
    flags.DEFINE_integer(name, None, text, flag_values=values)
  flags.DEFINE_bool(
    'dry_run',
    False,
    'Only print parameters, FLOPs, memory, sharding and data reads of the run.',
    flag_values=values,
  )
  flags.DEFINE_integer(
    'profile',
    None,
    'Number of steps to trace for the profiler of JAX, into the subfolder '
    'profile/ of the run; the first two steps are left out.',
    lower_bound=1,
    flag_values=values,
  )


def main(values: flags.FlagValues) -> None:
  """Trains a new run, or resumes the run in `--workdir`."""
  name = config_flags.get_config_filename(values['config'])
  processes.join(values.coordinator, values.process_count, values.process_index)
  programs.reuse_memory(large=True)
  data_dir = values.data_dir or os.environ.get('ACM_DATA', '')
  arguments = {
    'config': values.config,
    'workdir': Path(
      values.workdir or Path('runs', Path(name.partition(':')[0]).stem)
    ),
    'data_dir': os.path.expanduser(data_dir) or None,
    'init_from': values.init_from,
    'teacher': values.teacher,
  }
  if values.dry_run:
    processes.say(dry_run(**arguments))
    return
  programs.keep_programs()
  train(
    **arguments,
    validation_dir=values.validation_dir,
    profile=values.profile or 0,
  )


if __name__ == '__main__':
  sys.exit(command.run(define, main, __doc__))
