"""Benchmarks, with their folder layouts, coordinates and lists of sequences."""

import dataclasses
import os
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from acm_jax.datasets import layouts, tables
from acm_jax.datasets.sequences import Sequence
from acm_jax.host.names import find, listed, unknown


@dataclasses.dataclass(frozen=True)
class Benchmark:
  """Description of a benchmark: files, sequences, and how results are scored.

  Attributes:
    name: Name of the benchmark.
    layout: Layout of the official folders, a key of
      `acm_jax.datasets.layouts.LAYOUTS`.
    first_pixel: Coordinate that annotations and result files give to the first
      pixel of an image, 0 or 1.
    labels_absence: Whether the annotations label frames in which the target is
      absent. If so, scoring uses the labels in addition to the boxes.
    sequences: Names of the official sequences, in order (default: the names in
      `table`). Empty if there is no official list; then all annotated sequences
      belong to the benchmark.
    table: Name of a table in `acm_jax.datasets.tables`, which lists the
      official sequences and the number of frames of each. Empty if the
      benchmark has no table.
    protocol: Name of the default scoring protocol. A scoring protocol is named
      after the toolkit whose rules it follows.
    prefix: Prefix of sequence names in pytracking's results.
    experiment: Name of the experiment in which trackers are run, a key of
      `experiments.EXPERIMENTS`.
    lengths: First and last of the run lengths, in frames, over which the
      expected average overlap (EAO) is averaged. In the anchor experiment, the
      average leaves out the last run length. None if EAO is not scored.
    cut: Sequences with more images than annotated frames. In results of these
      sequences, rows without an annotation are ignored.
    hidden: Whether only the benchmark's server has the annotations.
    whole: Name of the benchmark that this one is a subset of; empty if none.
    validation: Whether the benchmark is for choosing between trackers, rather
      than for reporting scores.
    decimals: Number of decimals in result files.
    folder_each: Whether each sequence has its own folder of results.
  """

  name: str
  layout: str
  first_pixel: int
  labels_absence: bool = False
  sequences: tuple[str, ...] = ()
  table: str = ''
  protocol: str = 'pysot'
  prefix: str = ''
  experiment: str = 'one_pass'
  lengths: tuple[int, int] | None = None
  cut: tuple[str, ...] = ()
  hidden: bool = False
  whole: str = ''
  validation: bool = False
  decimals: int = 4
  folder_each: bool = False

  def __post_init__(self):
    if self.table and not self.sequences:
      object.__setattr__(self, 'sequences', tables.names(self.table))

  def frames(self) -> dict[str, int]:
    """Returns a dictionary from sequences to official numbers of frames.

    The dictionary is empty if the numbers are unknown.
    """
    return tables.frames(self.table) if self.table else {}


BENCHMARKS = {
  benchmark.name: benchmark
  for benchmark in (
    Benchmark('otb100', 'otb', first_pixel=1, table='otb100'),
    Benchmark('otb50', 'otb', first_pixel=1, table='otb50', whole='otb100'),
    Benchmark('otb2013', 'otb', first_pixel=1, table='otb2013', whole='otb100'),
    Benchmark('uav123', 'uav123', first_pixel=1, table='uav123', prefix='uav_'),
    Benchmark('uav20l', 'uav20l', first_pixel=1, table='uav20l', prefix='uav_'),
    # The tables of UAV123 and NfS count frames at another frame rate, so
    # uav123_10fps and nfs240 use these tables only for names of sequences.
    Benchmark(
      'uav123_10fps',
      'uav123_10fps',
      first_pixel=1,
      sequences=tables.names('uav123'),
    ),
    Benchmark('dtb70', 'otb', first_pixel=1, table='dtb70'),
    Benchmark('tc128', 'tc128', first_pixel=1, table='tc128', prefix='tpl_'),
    Benchmark('nfs30', 'nfs30', first_pixel=0, table='nfs', prefix='nfs_'),
    Benchmark(
      'nfs240',
      'nfs240',
      first_pixel=0,
      sequences=tables.names('nfs'),
      prefix='nfs_',
    ),
    Benchmark(
      'lasot',
      'lasot',
      first_pixel=1,
      labels_absence=True,
      table='lasot',
      cut=('monkey-17',),
    ),
    Benchmark(
      'lasot_ext',
      'lasot',
      first_pixel=1,
      labels_absence=True,
      table='lasot_ext',
      cut=('paddle-1', 'paddle-10'),
    ),
    Benchmark('tinytlp', 'tinytlp', first_pixel=0, labels_absence=True),
    Benchmark(
      'trackingnet',
      'trackingnet',
      first_pixel=0,
      table='trackingnet',
      protocol='trackingnet',
      hidden=True,
      decimals=2,
    ),
    Benchmark(
      'got10k_val',
      'got10k_val',
      first_pixel=1,
      labels_absence=True,
      table='got10k_val',
      protocol='got10k',
      validation=True,
      decimals=3,
      folder_each=True,
    ),
    Benchmark(
      'got10k_test',
      'got10k_test',
      first_pixel=1,
      table='got10k_test',
      protocol='got10k',
      hidden=True,
      decimals=3,
      folder_each=True,
    ),
    Benchmark(
      'vot2016',
      'vot',
      first_pixel=0,
      table='vot2016',
      experiment='reset',
      lengths=(108, 371),
    ),
    Benchmark(
      'vot2018',
      'vot',
      first_pixel=0,
      table='vot2018',
      experiment='reset',
      lengths=(100, 356),
    ),
    Benchmark(
      'vot2019',
      'vot',
      first_pixel=0,
      table='vot2019',
      experiment='reset',
      lengths=(46, 291),
    ),
    Benchmark(
      'vot2022_stb',
      'vot',
      first_pixel=0,
      protocol='vot_toolkit',
      experiment='anchors',
      lengths=(115, 755),
    ),
    Benchmark(
      'vot_lt',
      'vot',
      first_pixel=0,
      protocol='vot_toolkit',
      experiment='long_term',
    ),
    Benchmark(
      'davis', 'davis', first_pixel=0, labels_absence=True, validation=True
    ),
    Benchmark(
      'folder', 'folder', first_pixel=0, labels_absence=True, validation=True
    ),
  )
}


def get(name: str) -> Benchmark:
  """Returns the benchmark of this name.

  Args:
    name: Name of the benchmark, in any spelling: OTB-100 is otb100.

  Raises:
    ValueError: The name is unknown; the message lists the known names.
  """
  found = find(name, BENCHMARKS)
  if found is None:
    known = ', '.join(BENCHMARKS)
    raise ValueError(f'unknown benchmark {name!r}: choose one of {known}')
  return BENCHMARKS[found]


def sequences(
  benchmark: Benchmark,
  root: Path,
  only: Collection[str] | None = None,
  exclude: Collection[str] = (),
) -> list[Sequence]:
  """Reads the sequences of a benchmark from a folder.

  Args:
    benchmark: Benchmark of the sequences.
    root: Root folder of the official benchmark.
    only: Names of the sequences to return, and paths of text files with one
      name per line (default: all sequences).
    exclude: Names of the sequences to leave out, in the same form. An official
      sequence may be named even if the folder lacks the sequence.

  Raises:
    OSError: The folder is missing.
    ValueError: The folder has no sequence of the benchmark, lacks a sequence in
      `only`, or has two sequences whose result files would be confused; or a
      name in `exclude` is unknown; or no sequence is left.
  """
  read = layouts.read(benchmark.layout, root)
  found = official(benchmark, read)
  if not found:
    raise ValueError(
      f'{root}: no sequence of {benchmark.name}, only others such as '
      f"{read[0].name}; to use those, set `benchmark` to 'folder'"
    )
  _check_distinct(benchmark, root, found)
  names = [sequence.name for sequence in found]
  known = {*names, *benchmark.sequences}
  kept = names if only is None else listed(only, known)
  left_out = listed(exclude, known)
  if wrong := unknown(kept, names) or unknown(left_out, known):
    raise ValueError(
      f'{root}: no sequence {wrong}; choose from the {len(found)} sequences in '
      f'this folder, such as {names[0]}, or give the path of a file with one '
      'name per line'
    )
  chosen = set(kept) - set(left_out)
  if not chosen:
    raise ValueError(
      f'{root}: no sequence is left of {len(found)}; give more names in '
      '`sequences`, or fewer in `exclude`'
    )
  return [sequence for sequence in found if sequence.name in chosen]


def _check_distinct(
  benchmark: Benchmark, root: Path, found: list[Sequence]
) -> None:
  """Checks that the names of sequences differ in more than their spelling.

  Otherwise two sequences would have the same result file, on some file systems
  or in the eyes of `matcher`.
  """
  match = matcher(benchmark, (sequence.name for sequence in found))
  known: dict[str, Sequence] = {}
  for sequence in found:
    if other := known.get(match(sequence.name)):
      folders = ' and '.join(
        os.path.relpath(each.frame_paths[0].parent, root)
        for each in (other, sequence)
      )
      raise ValueError(
        f'{root}: the names of two sequences differ only in case, accents or '
        f'separators, so that their results would be confused: {folders}; '
        'rename one'
      )
    known[match(sequence.name)] = sequence


def official(benchmark: Benchmark, found: list[Sequence]) -> list[Sequence]:
  """Returns the sequences in `found` that belong to a benchmark.

  The returned sequences have the official names. If the benchmark has no list
  of official sequences, returns `found` unchanged.
  """
  if not benchmark.sequences:
    return found
  match = matcher(benchmark, benchmark.sequences)
  named = [(match(sequence.name), sequence) for sequence in found]
  return [dataclasses.replace(s, name=name) for name, s in named if name]


def matcher(
  benchmark: Benchmark, known: Iterable[str]
) -> Callable[[str], str | None]:
  """Creates a function that recognises a name in the spelling of any toolkit.

  For example, Jogging-1, jogging_1, Jogging.1 and Jogging1 are one sequence,
  and nfs_Gymnastics in pytracking's results is Gymnastics.

  Args:
    benchmark: Benchmark of the sequences.
    known: Names of the sequences to recognise.

  Returns:
    A function from a spelling to one of `known`, or to None if none matches.
  """
  spelled = {_spelling(name): name for name in known}
  # Some toolkits omit the dash before the number of a target.
  joined = {
    re.sub(r'-(\d)$', r'\1', name): own for name, own in spelled.items()
  }
  # Exact spellings take precedence, so that bird12 is not taken for bird1_2 if
  # both exist.
  named = joined | spelled

  def match(name: str) -> str | None:
    found = named.get(_spelling(name))
    if found is None and benchmark.prefix:
      found = named.get(_spelling(name.removeprefix(benchmark.prefix)))
    return found

  return match


def _spelling(name: str) -> str:
  """Normalises case, accents and separators, which differ between toolkits.

  File systems differ in whether a letter with an accent is one character.
  """
  name = unicodedata.normalize('NFC', name.casefold())
  return name.replace('_', '-').replace('.', '-')
