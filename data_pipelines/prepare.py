"""Writes a data set's clip records, which training reads.

    python -m data_pipelines.prepare davis --source DAVIS --out data/davis

`folder` is any folder of sequences, each with img/ and groundtruth.txt
(x,y,w,h, px, 0-based) and optionally absent.txt (0/1 a row).
"""

import sys
from pathlib import Path

from data_pipelines import clip_set, clips, layouts, tracks
from data_pipelines.command_line import Parser, run

# The sets that may be trained on, of those whose layout is read.
NAMES = ('davis', 'folder')


def prepare(name: str, source: Path, out: Path) -> dict:
  """Cuts context crops round every target of a data set; returns the manifest.

  Args:
    name: Data set, one of `NAMES`.
    source: Its folder.
    out: Folder of the clip set; must not exist.

  Raises:
    OSError: `source`, or a file in it, is missing.
    ValueError: An annotation or an image is malformed, or `out` exists.
  """
  found = layouts.read(name, source)
  settings = {name: {'source': source.resolve().name}}
  made = tracks.from_sequences(found)
  return clips.write(made, out, total=len(found), settings=settings)


def check(out: Path) -> int:
  """Opens every frame of a clip set; returns their number.

  Raises:
    OSError: The set, or a file of it, is missing.
    ValueError: A frame is truncated; the message names it.
  """
  found = clip_set.ClipSet(out)
  for index in range(len(found.frame_number)):
    found.jpeg(index)
  return len(found.frame_number)


def main(argv: list[str] | None = None) -> int:
  """Runs the command and returns its exit code, 0, 1 or 2."""
  parser = Parser('data_pipelines.prepare', __doc__)
  parser.add_argument('name', choices=NAMES, nargs='?')
  parser.add_argument('--source', type=Path, help='its folder')
  parser.add_argument('--out', type=Path, required=True, help='new folder')
  parser.add_argument(
    '--check', action='store_true', help='only verify what OUT holds'
  )
  options = parser.parse_args(argv)
  if not options.check:
    for flag in ('name', '--source'):
      if getattr(options, flag.removeprefix('--')) is None:
        parser.error(f'{flag} is missing')

  def work() -> str:
    if not options.check:
      prepare(options.name, options.source, options.out)
    return f'{check(options.out)} frames in {options.out}'

  return run(work)


if __name__ == '__main__':
  sys.exit(main())
