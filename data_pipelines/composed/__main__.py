"""Writes a composed set: objects cut out of images, and backgrounds for them.

Objects are cut out of photographs with the polygons of COCO and out of videos
with the masks of DAVIS. The output folder holds the objects and the background
photographs; training renders sequences from them.

Example:
  acm-jax composed --photographs COCO --masks DAVIS \\
    --exclude camel,parkour --out data/composed
"""

import dataclasses
import sys
from pathlib import Path

from absl import flags

from acm_jax.host import command
from acm_jax.host.names import listed
from data_pipelines.composed import library_writer
from data_pipelines.composed.library_writer import Settings, Sources

_HELP = {
  'sequences': 'Number of sequences that training renders.',
  'frames': 'Number of frames in each sequence.',
  'seed': 'Random seed, 0 or more.',
  'crop_size': 'Side of the rendered crops, px.',
  'longest': 'Maximum side of a photograph, px; larger photographs are shrunk.',
  'quality': 'Quality of the JPEGs, 0 to 100.',
  'objects': 'Maximum number of objects cut out of photographs.',
  'scenes': 'Maximum number of photographs used as backgrounds.',
}


def define(values: flags.FlagValues) -> None:
  """Defines the command's flags on `values`."""
  on = {'flag_values': values}
  flags.DEFINE_string(
    'photographs',
    None,
    'Folder or archive of images and polygons in the layout of COCO.',
    required=True,
    **on,
  )
  flags.DEFINE_string(
    'masks',
    None,
    'Folder or archive of videos and masks in the layout of DAVIS.',
    **on,
  )
  flags.DEFINE_list(
    'backgrounds',
    [],
    'Comma-separated folders of further photographs for backgrounds; '
    'subfolders are not searched.',
    **on,
  )
  for name, text in (
    ('exclude', 'Videos and photographs to leave out'),
    ('only', 'The only videos and photographs to use'),
  ):
    text += (
      ': comma-separated names of videos and of image files, or paths of text '
      'files with one name per line.'
    )
    flags.DEFINE_list(name, [], text, **on)
  for field in dataclasses.fields(Settings):
    flags.DEFINE_integer(field.name, field.default, _HELP[field.name], **on)
  flags.DEFINE_string('out', None, 'Output folder.', required=True, **on)


def main(values: flags.FlagValues) -> None:
  """Writes a composed set and prints a summary."""
  sources = Sources(
    Path(values.photographs),
    values.masks and Path(values.masks),
    tuple(map(Path, values.backgrounds)),
    tuple(listed(values.exclude)),
    tuple(listed(values.only)),
  )
  names = [field.name for field in dataclasses.fields(Settings)]
  settings = Settings(**{name: values[name].value for name in names})
  manifest = library_writer.write(Path(values.out), sources, settings)
  kept = ', '.join(
    f'{count} {kind}' for kind, count in manifest['kept'].items()
  )
  size = sum(file['bytes'] for file in manifest['files'].values())
  print(f'{kept} in {values.out} ({size / 1e6:.1f} MB)')


if __name__ == '__main__':
  sys.exit(command.run(define, main, __doc__))
