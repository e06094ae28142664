"""Writes a data set's clip records, which training reads.

SOURCE is the official download, unpacked or not (zip, tar); --list prints the
layout of each data set. SOURCE and OUT may be addresses that etils.epath knows,
such as gs://. An interrupted command goes on where it stopped when it is
repeated. With --beam, Apache Beam does the work (extra `beam`).

Examples:
  python -m data_pipelines.prepare --dataset got10k --source GOT-10k \\
    --out data/got10k
  python -m data_pipelines.prepare --out data/got10k --check
  python -m data_pipelines.prepare --dataset got10k --source gs://b/GOT-10k \\
    --out gs://b/got10k --beam '--runner=DataflowRunner --region=REGION'
"""

import shlex
import sys

from absl import flags
from etils import epath

from acm_jax.datasets import sources
from acm_jax.host import command
from data_pipelines import clip_set, preparation
from data_pipelines.clips import Cut, stride_for


def define(values: flags.FlagValues) -> None:
  """Defines the command's flags on `values`."""
  on = {'flag_values': values}
  flags.DEFINE_enum('dataset', None, sources.names(), 'Data set.', **on)
  for name, text in (
    ('source', 'Folder or archive of the official files.'),
    ('out', 'Output folder.'),
    ('exclude', 'File with names of videos to leave out, one a line.'),
    ('beam', 'Flags of Apache Beam, which then does the work.'),
  ):
    flags.DEFINE_string(name, None, text, **on)
  flags.DEFINE_bool('check', False, 'Only verify the output folder.', **on)
  flags.DEFINE_bool('list', False, 'Only print the layouts.', **on)
  for name, default, text in (
    ('stride', None, 'Frames from one that is taken to the next.'),
    ('crop_size', Cut.crop_size, 'Side of the crops, px.'),
    ('quality', Cut.quality, 'Quality of the JPEGs, 0 to 100.'),
    ('processes', None, 'Processes (default: one for each core).'),
  ):
    flags.DEFINE_integer(name, default, text, **on)


def main(values: flags.FlagValues) -> None:
  """Prepares, checks or lists as the flags say."""
  if values.list:
    print(_layouts())
    return
  if values.out is None:
    raise ValueError('`out` missing: see --help')
  if values.check:
    print(_checked(epath.Path(values.out), values.dataset))
    return
  for name in ('dataset', 'source'):
    if values[name].value is None:
      raise ValueError(f'`{name}` missing: see --help')
  print(_prepared(values))


def _layouts() -> str:
  """Describes the layout of every data set."""
  return '\n'.join(f'{n}: {sources.described(n)}' for n in sources.names())


def _prepared(values: flags.FlagValues) -> str:
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
  exclude = _names(values.exclude) if values.exclude else []
  manifest = preparation.prepare(job, out, workers, exclude)
  left_out = ', '.join(
    f'{count} {reason}' for reason, count in sorted(manifest['dropped'].items())
  )
  lines = [f'warning: {problem}' for problem in manifest['problems']]
  lines += [
    f'{manifest["frames"]} frames of {manifest["tracks"]} tracks in '
    f'{out}; left out: {left_out or "none"}'
  ]
  return '\n'.join(lines)


def _names(path: str) -> list[str]:
  if not epath.Path(path).exists():
    raise FileNotFoundError(f'`exclude`={path}: no such file')
  return epath.Path(path).read_text().split()


def _checked(out: epath.Path, name: str | None) -> str:
  clip_set.verify(out)
  made_of = clip_set.read_manifest(out)['settings']
  if name and name not in made_of:
    raise ValueError(f'{out}: made of {", ".join(made_of)}, not of {name}')
  return f'{len(clip_set.ClipSet(out).frame_number)} frames in {out}'


if __name__ == '__main__':
  sys.exit(command.run(define, main, __doc__))
