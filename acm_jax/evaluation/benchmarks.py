"""Benchmarks that results are scored on: layout, pixel base, official list."""

import dataclasses
import re
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from acm_jax.datasets import layouts, tables
from acm_jax.datasets.sequences import Sequence


@dataclasses.dataclass(frozen=True)
class Benchmark:
  """How a benchmark's files are read and which sequences it has.

  Attributes:
    name: As given to `--benchmark`.
    layout: Layout of the official folders, a key of
      `acm_jax.datasets.layouts.LAYOUTS`.
    first_pixel: Coordinate of the first pixel in the benchmark's annotations
      and in result files for it: 1 where the official toolkit is Matlab's.
    labels_absence: Whether frames without the target are labelled as such,
      and scored so, rather than known by their box alone.
    sequences: The official list, in its order; empty where the annotations
      that are given are the list.
    table: Has the frames of the official annotations, if they are known.
    protocol: What its results are scored by if nothing else is asked for.
    prefix: What pytracking's results have before a sequence's name.
    experiment: How trackers are run, a name in `experiments.EXPERIMENTS`.
    lengths: The first and the last length of runs that EAO is the mean of.
    cut: Sequences with more images than the annotation has rows, so that
      results are cut to it.
    hidden: Whether only a server has the annotations.
    whole: The benchmark that this one is a part of.
    validation: Whether it is there to choose by, rather than to report on.
    decimals: Of the numbers in result files.
    folder_each: Whether the results of each sequence have a folder.
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

  def frames(self) -> dict[str, int]:
    """Frames of the official annotations, as far as they are known."""
    return tables.frames(self.table) if self.table else {}


def _benchmark(name, layout, first_pixel, table='', **rest):
  if table:
    rest |= {'sequences': tables.names(table), 'table': table}
  return Benchmark(name, layout, first_pixel, **rest)


def _lasot(name, **rest):
  return _benchmark(name, 'lasot', 1, name, labels_absence=True, **rest)


def _got10k(name, **rest):
  forms = {'protocol': 'got10k', 'decimals': 3, 'folder_each': True}
  return _benchmark(name, name, 1, name, **forms, **rest)


def _reset(name, low, high):
  rest = {'experiment': 'reset', 'lengths': (low, high)}
  return _benchmark(name, 'vot', 0, name, **rest)


BENCHMARKS = {
  benchmark.name: benchmark
  for benchmark in (
    _benchmark('otb100', 'otb', 1, 'otb100'),
    _benchmark('otb50', 'otb', 1, 'otb50', whole='otb100'),
    _benchmark('otb2013', 'otb', 1, 'otb2013', whole='otb100'),
    _benchmark('uav123', 'uav123', 1, 'uav123', prefix='uav_'),
    _benchmark('uav20l', 'uav20l', 1, 'uav20l', prefix='uav_'),
    _benchmark(
      'uav123_10fps', 'uav123_10fps', 1, sequences=tables.names('uav123')
    ),
    _benchmark('dtb70', 'otb', 1, 'dtb70'),
    _benchmark('tc128', 'tc128', 1, 'tc128', prefix='tpl_'),
    _benchmark('nfs30', 'nfs30', 0, 'nfs', prefix='nfs_'),
    _benchmark(
      'nfs240', 'nfs240', 0, sequences=tables.names('nfs'), prefix='nfs_'
    ),
    _lasot('lasot', cut=('monkey-17',)),
    _lasot('lasot_ext', cut=('paddle-1', 'paddle-10')),
    _benchmark('tinytlp', 'tinytlp', 0, labels_absence=True),
    _benchmark(
      'trackingnet',
      'trackingnet',
      0,
      'trackingnet',
      protocol='trackingnet',
      hidden=True,
      decimals=2,
    ),
    _got10k('got10k_val', labels_absence=True, validation=True),
    _got10k('got10k_test', hidden=True),
    _reset('vot2016', 108, 371),
    _reset('vot2018', 100, 356),
    _reset('vot2019', 46, 291),
    Benchmark(
      'vot2022_stb',
      'vot',
      0,
      protocol='vot_toolkit',
      experiment='anchors',
      lengths=(115, 755),
    ),
    Benchmark(
      'vot_lt', 'vot', 0, protocol='vot_toolkit', experiment='long_term'
    ),
    _benchmark('davis', 'davis', 0, labels_absence=True, validation=True),
    _benchmark('folder', 'folder', 0, labels_absence=True, validation=True),
  )
}


def get(name: str) -> Benchmark:
  """The benchmark of that name.

  Raises:
    ValueError: There is none; the message lists the known.
  """
  if name not in BENCHMARKS:
    known = ', '.join(BENCHMARKS)
    raise ValueError(f'unknown benchmark {name!r}: choose one of {known}')
  return BENCHMARKS[name]


def sequences(
  benchmark: Benchmark, root: Path, only: Collection[str] | None = None
) -> list[Sequence]:
  """The sequences of a benchmark that are there.

  Raises:
    OSError: `root` is not there.
    ValueError: None is the benchmark's, or a name in `only` is not there.
  """
  read = layouts.read(benchmark.layout, root)
  known = official(benchmark, read)
  if not known:
    raise ValueError(
      f'{root}: {read[0].name} and the others there are no sequences of '
      f'{benchmark.name}; run others with --benchmark folder'
    )
  found = [s for s in known if not only or s.name in only]
  absent = set(only or ()) - {sequence.name for sequence in found}
  if absent:
    raise ValueError(
      f'--sequences: {", ".join(sorted(absent))} not found below {root}'
    )
  return found


def official(benchmark: Benchmark, found: list[Sequence]) -> list[Sequence]:
  """The sequences of a benchmark's list among those found, by its names."""
  if not benchmark.sequences:
    return found
  match = matcher(benchmark, benchmark.sequences)
  named = [(match(sequence.name), sequence) for sequence in found]
  return [dataclasses.replace(s, name=name) for name, s in named if name]


def matcher(
  benchmark: Benchmark, names: Iterable[str]
) -> Callable[[str], str | None]:
  """Finds a sequence by the name that a toolkit gives it.

  Jogging-1, jogging_1, Jogging.1 and Jogging1 are one sequence, nfs_Gymnastics
  of pytracking is Gymnastics.

  Args:
    benchmark: What the sequences are of.
    names: The sequences.

  Returns:
    A function from a name to one of `names`, or None if it is none of them.
  """
  spelled = {_spelling(name): name for name in names}
  # A second target's number may follow without a dash.
  joined = {
    re.sub(r'-(\d)$', r'\1', name): own for name, own in spelled.items()
  }
  # But bird1_2 is not bird12 where there are both.
  known = joined | spelled

  def match(name: str) -> str | None:
    found = known.get(_spelling(name))
    if found is None and benchmark.prefix:
      found = known.get(_spelling(name.removeprefix(benchmark.prefix)))
    return found

  return match


def _spelling(name: str) -> str:
  return name.casefold().replace('_', '-').replace('.', '-')
