"""Writes a composed set: objects that are put on photographs when asked for.

    python -m data_pipelines.composed --photographs COCO --masks DAVIS \\
      --exclude camel,parkour --out data/composed

Objects are cut out of photographs by the polygons of COCO and out of videos by
the masks of DAVIS. The folder holds these and photographs to put them on, small
enough to be sent about; training draws the sequences.
"""

import argparse
import dataclasses
import sys
from pathlib import Path

from data_pipelines.command_line import Parser
from data_pipelines.composed import library_writer
from data_pipelines.composed.library_writer import Settings, Sources

_HELP = {
  'sequences': 'how many',
  'frames': 'of each',
  'seed': '0 or more',
  'crop_size': 'px',
  'longest': 'bound on the longest side of a photograph, px',
  'quality': 'of the JPEGs, 0-100',
  'objects': 'most objects to cut out of photographs',
  'scenes': 'most photographs to keep and put objects on',
}


def main(argv: list[str] | None = None) -> int:
  """Runs the command and returns its exit code, 0, 1 or 2."""
  parser = Parser('data_pipelines.composed', __doc__)
  add = parser.add_argument
  add('--photographs', type=Path, required=True, help='in the layout of COCO')
  add('--masks', type=Path, help='in the layout of DAVIS')
  add('--backgrounds', type=Path, nargs='+', default=[], help='flat folders')
  add('--exclude', default='', help='videos of MASKS to leave out: a,b')
  for field in dataclasses.fields(Settings):
    what = f'{_HELP[field.name]}; default {field.default}'
    add(f'--{field.name}', type=int, default=field.default, help=what)
  add('--out', type=Path, required=True, help='new folder')
  return parser.run(_work, argv)


def _work(options: argparse.Namespace) -> str:
  given = vars(options)
  sources = Sources(
    options.photographs,
    options.masks,
    tuple(options.backgrounds),
    tuple(name for name in options.exclude.split(',') if name),
  )
  settings = Settings(
    **{field.name: given[field.name] for field in dataclasses.fields(Settings)}
  )
  manifest = library_writer.write(options.out, sources, settings)
  kept = ', '.join(
    f'{count} {what}' for what, count in manifest['kept'].items()
  )
  size = sum(file['bytes'] for file in manifest['files'].values())
  return f'{kept} in {options.out} ({size / 1e6:.1f} MB)'


if __name__ == '__main__':
  sys.exit(main())
