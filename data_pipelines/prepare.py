"""Writes a data set's clip records, which training reads.

    python -m data_pipelines.prepare got10k --source GOT-10k --out data/got10k
    python -m data_pipelines.prepare got10k --out data/got10k --check

SOURCE is the official download, unpacked or not (zip, tar); --list shows the
layout that is expected of each set. What was killed goes on where it stopped
when it is asked for again. With --beam, everything behind it goes to Apache
Beam, which does the work where its own flags say (extra `beam`).
"""

import argparse
import sys
from pathlib import Path

from data_pipelines import clip_set, preparation, sources
from data_pipelines.clips import Cut, stride_for
from data_pipelines.command_line import Parser, run


def main(argv: list[str] | None = None) -> int:
  """Runs the command and returns its exit code, 0, 1 or 2."""
  parser = _parser()
  options = parser.parse_args(argv)
  if options.list:
    return run(_layouts)
  if options.out is None:
    parser.error('--out is missing')
  if options.check:
    return run(lambda: _checked(options.out))
  for flag in ('name', '--source'):
    if getattr(options, flag.removeprefix('--')) is None:
      parser.error(f'{flag} is missing')
  return run(lambda: _prepared(options))


def _parser() -> argparse.ArgumentParser:
  parser = Parser('data_pipelines.prepare', __doc__)
  add = parser.add_argument
  add('name', choices=sources.names(), nargs='?', help='the data set')
  add('--source', help='folder or archive of its files')
  add('--out', type=Path, help='new folder')
  add('--check', action='store_true', help='only verify what OUT holds')
  add('--list', action='store_true', help='only show the layouts')
  add('--stride', type=int, help='take every so many frames')
  add('--crop_size', type=int, default=511, help='px')
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
    options.name, options.source, Cut(stride, options.crop_size)
  )
  workers = preparation.processes(options.processes)
  if options.beam is not None:
    workers = preparation.beam(options.beam)
  manifest = preparation.prepare(job, options.out, workers)
  left_out = ', '.join(
    f'{count} {reason}' for reason, count in sorted(manifest['dropped'].items())
  )
  lines = [f'warning: {problem}' for problem in manifest['problems']]
  lines += [
    f'{manifest["frames"]} frames of {manifest["tracks"]} tracks in '
    f'{options.out}; left out: {left_out or "none"}'
  ]
  return '\n'.join(lines)


def _checked(out: Path) -> str:
  clip_set.verify(out)
  return f'{len(clip_set.ClipSet(out).frame_number)} frames in {out}'


if __name__ == '__main__':
  sys.exit(main())
