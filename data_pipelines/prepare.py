"""Writes a data set as a clip set, the form that training reads.

--source is the official download, unpacked or as an archive (zip, tar). --list
prints the layout that the files of each data set must have. --source and --out
may be addresses that etils.epath supports, such as gs://. To resume after an
interruption, repeat the command. With --beam, Apache Beam writes the set (needs
the extra `beam`).

Examples:
  acm-jax prepare --dataset got10k --source GOT-10k \\
    --out data/got10k
  acm-jax prepare --out data/got10k --check
  acm-jax prepare --dataset got10k --source gs://b/GOT-10k \\
    --out gs://b/got10k --beam '--runner=DataflowRunner --region=REGION'
"""

import shlex
import sys

from absl import flags
from etils import epath

from acm_jax.datasets import sources
from acm_jax.host import command, names
from data_pipelines import clip_set, preparation
from data_pipelines.clips import Cut, stride_for


def define(values: flags.FlagValues) -> None:
  """Defines the command's flags on `values`."""
  on = {'flag_values': values}
  flags.DEFINE_enum(
    'dataset', None, sources.names(), 'Name of the data set.', **on
  )
  names.allow_spellings(values, 'dataset', sources.names())
  for name, text in (
    ('source', 'Folder or archive of the official files.'),
    ('out', 'Output folder.'),
    ('beam', 'Flags of Apache Beam; if given, Apache Beam writes the set.'),
  ):
    flags.DEFINE_string(name, None, text, **on)
  flags.DEFINE_list(
    'exclude',
    [],
    'Videos or images to leave out: comma-separated names, or paths of text '
    'files with one name per line.',
    **on,
  )
  flags.DEFINE_bool(
    'check',
    False,
    'Only check the sizes and checksums of the files in the output folder.',
    **on,
  )
  flags.DEFINE_bool(
    'list',
    False,
    'Only print the layout that the files of each data set must have.',
    **on,
  )
  for name, default, text in (
    (
      'stride',
      None,
      'Sampling step N: every Nth frame of a video is taken (default: chosen '
      'for each data set, so that a clip spans at least twice the usual '
      'maximum distance between the two frames of a training pair).',
    ),
    ('crop_size', Cut.crop_size, 'Side of the crops, px.'),
    ('quality', Cut.quality, 'Quality of the JPEGs, 0 to 100.'),
    ('processes', None, 'Number of processes (default: one per core).'),
  ):
    flags.DEFINE_integer(name, default, text, **on)


def main(values: flags.FlagValues) -> None:
  """Prepares or verifies a clip set, or prints the layouts of the data sets."""
  if values.list:
    print(_layouts())
    return
  if values.out is None:
    raise ValueError('`out`: missing; give the output folder')
  if values.check:
    print(_checked(epath.Path(values.out), values.dataset))
    return
  for name in ('dataset', 'source'):
    if values[name].value is None:
      raise ValueError(
        f'`{name}`: missing; preparing needs `dataset`, `source` and `out`'
      )
  print(_prepared(values))


def _layouts() -> str:
  """Returns descriptions of all data sets and of the layouts of their files."""
  return '\n'.join(
    f'{name}: {sources.described(name)}' for name in sources.names()
  )


def _prepared(values: flags.FlagValues) -> str:
  """Prepares a clip set; returns warnings and a summary."""
  out, stride = epath.Path(values.out), values.stride
  if stride is None:
    stride = stride_for(sources.make(values.dataset).gap)
  job = preparation.Job(
    values.dataset,
    values.source,
    Cut(stride, values.crop_size, values.quality),
  )
  workers = preparation.processes(values.processes)
  if values.beam is not None:
    workers = preparation.beam(shlex.split(values.beam))
  preparation.prepare(job, out, workers, values.exclude)
  return clip_set.describe(out)


def _checked(out: epath.Path, name: str | None) -> str:
  """Verifies a clip set; returns a summary."""
  clip_set.verify(out)
  origin = clip_set.read_manifest(out)['settings']
  if name and name not in origin:
    raise ValueError(
      f'{out}: made from {", ".join(origin)}, not {name}; correct `dataset` or '
      '`out`'
    )
  return f'{len(clip_set.ClipSet(out).frame_number)} frames in {out}'


if __name__ == '__main__':
  sys.exit(command.run(define, main, __doc__))
