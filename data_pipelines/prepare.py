"""Writes a data set's clip records, which training reads.

    python -m data_pipelines.prepare got10k --source GOT-10k --out data/got10k
    python -m data_pipelines.prepare got10k --out data/got10k --check

SOURCE is the official download, unpacked or not (zip, tar); --list shows the
layout that is expected of each set. SOURCE and OUT may be addresses that
etils.epath knows, as gs://. What was killed goes on where it stopped when it is
asked for again. With --beam, everything behind it goes to Apache Beam, which
does the work where its own flags say (extra `beam`).
"""

import argparse
import sys

from etils import epath

from data_pipelines import clip_set, preparation, sources
from data_pipelines.clips import Cut, stride_for
from data_pipelines.command_line import Parser


def main(argv: list[str] | None = None) -> int:
  """Runs the command and returns its exit code, 0, 1 or 2."""
  parser = _parser()

  def work(options: argparse.Namespace) -> str:
    if options.list:
      return _layouts()
    if options.out is None:
      parser.error('--out is missing')
    if options.check:
      return _checked(options.out, options.name)
    for flag in ('name', '--source'):
      if getattr(options, flag.removeprefix('--')) is None:
        parser.error(f'{flag} is missing')
    return _prepared(options)

  return parser.run(work, argv)


def _parser() -> Parser:
  parser = Parser('data_pipelines.prepare', __doc__)
  add = parser.add_argument
  add('name', choices=sources.names(), nargs='?', help='the data set')
  add('--source', help='folder or archive of its files')
  add('--out', type=epath.Path, help='new folder')
  add('--check', action='store_true', help='only verify what OUT holds')
  add('--list', action='store_true', help='only show the layouts')
  add('--stride', type=int, help='take every so many frames')
  add('--exclude', help='file with names of videos to leave out, a line each')
  add('--crop_size', type=int, default=Cut.crop_size, help='px')
  add('--quality', type=int, default=Cut.quality, help='of the JPEGs, 0-100')
  add('--processes', type=int, help='default: one for each core')
  add('--beam', nargs=argparse.REMAINDER, help="Apache Beam's flags")
  return parser


def _layouts() -> str:
  """What the readers say of the sets."""
  return '\n'.join(f'{n}: {sources.described(n)}' for n in sources.names())


def _prepared(options: argparse.Namespace) -> str:
  stride = options.stride
  if stride is None:
    stride = stride_for(sources.make(options.name).gap)
  job = preparation.Job(
    options.name,
    options.source,
    Cut(stride, options.crop_size, options.quality),
  )
  workers = preparation.processes(options.processes)
  if options.beam is not None:
    workers = preparation.beam(options.beam)
  exclude = _names(options.exclude) if options.exclude else []
  manifest = preparation.prepare(job, options.out, workers, exclude)
  left_out = ', '.join(
    f'{count} {reason}' for reason, count in sorted(manifest['dropped'].items())
  )
  lines = [f'warning: {problem}' for problem in manifest['problems']]
  lines += [
    f'{manifest["frames"]} frames of {manifest["tracks"]} tracks in '
    f'{options.out}; left out: {left_out or "none"}'
  ]
  return '\n'.join(lines)


def _names(path: str) -> list[str]:
  if not epath.Path(path).exists():
    raise FileNotFoundError(f'--exclude={path}: no such file')
  return epath.Path(path).read_text().split()


def _checked(out: epath.Path, name: str | None) -> str:
  clip_set.verify(out)
  made_of = clip_set.read_manifest(out)['settings']
  if name and name not in made_of:
    raise ValueError(f'{out}: made of {", ".join(made_of)}, not of {name}')
  return f'{len(clip_set.ClipSet(out).frame_number)} frames in {out}'


if __name__ == '__main__':
  sys.exit(main())
