"""From a data set's official files to a clip set, shard by shard.

A set's units, in a fixed order, are divided into shards. Every shard is written
by itself, by this process, another, or a worker of Apache Beam; then their
parts become one index. Until that is done everything lies in a folder beside
the one that was asked for, and a second try leaves out the shards that are
there.
"""

import concurrent.futures
import contextlib
import dataclasses
import fcntl
import functools
import hashlib
import json
import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from data_pipelines import clip_writer, sources, trees
from data_pipelines.clips import Cut
from data_pipelines.progress import Progress
from data_pipelines.sources.source import Unit


@dataclasses.dataclass(frozen=True)
class Job:
  """What is prepared.

  Attributes:
    name: The data set, one of `sources.names()`.
    source: Folder or archive of its official files.
    cut: How its tracks are cut.
  """

  name: str
  source: str
  cut: Cut


@dataclasses.dataclass(frozen=True)
class Shard:
  """One file of records.

  Attributes:
    job: What it is a part of.
    folder: Where it is written.
    number: Its number.
    units: What goes into it.
  """

  job: Job
  folder: str
  number: int
  units: tuple[Unit, ...]


# Writes shards, and yields the number of each that is done.
Workers = Callable[[Sequence[Shard]], Iterator[int]]


def prepare(job: Job, out: Path, workers: Workers) -> dict[str, Any]:
  """Writes the clip set of a data set.

  Args:
    job: What to write.
    out: Folder of the clip set; must not exist.
    workers: Who writes it.

  Returns:
    The manifest.

  Raises:
    OSError: The source, or a file that is needed, is missing; or the disk is
      full.
    RuntimeError: TensorFlow or Beam is missing, or a worker died.
    ValueError: An annotation is malformed, `out` exists, or what an earlier
      try left was made from something else.
  """
  if out.exists():
    raise ValueError(f'{out} is there already: remove it or name another')
  source = sources.make(job.name)
  units = list(source.units(trees.open_tree(job.source)))
  _check_names(job, units)
  folder = out.with_name(f'.{out.name}.partial')
  with _claimed(folder, _settings(job, units)) as settings:
    starts = range(0, len(units), source.per_shard)
    shards = [
      Shard(job, str(folder), i, tuple(units[start : start + source.per_shard]))
      for i, start in enumerate(starts)
    ]
    _write(shards, folder, workers, out.name)
    manifest = clip_writer.merge(
      folder, len(shards), job.cut, {job.name: settings}, named=out
    )
    (folder / _CLAIM).unlink()
    folder.rename(out)
  return manifest


def _check_names(job: Job, units: Sequence[Unit]) -> None:
  seen = set()
  for unit in units:
    if unit.name in seen:
      raise ValueError(f'{job.source}: two videos are called {unit.name}')
    seen.add(unit.name)
  if not units:
    raise ValueError(f'{job.source}: nothing of {job.name} in it')


def _write(
  shards: Sequence[Shard], folder: Path, workers: Workers, label: str
) -> None:
  missing = [
    shard
    for shard in shards
    if not (folder / clip_writer.part_name(shard.number)).is_file()
  ]
  done = sum(len(s.units) for s in shards) - sum(len(s.units) for s in missing)
  total = sum(len(shard.units) for shard in shards)
  with Progress(label, total, 'videos', done) as shown:
    for number in workers(missing):
      done += len(shards[number].units)
      shown.update(done)


def write_shard(shard: Shard) -> int:
  """Reads the units of a shard and writes its records; returns its number."""
  source = sources.make(shard.job.name)
  tree = _tree(shard.job.source)

  def tracks():
    for unit in shard.units:
      for track in source.tracks(tree, unit):
        yield track._replace(video=unit.name)

  folder = Path(shard.folder)
  clip_writer.write_shard(folder, shard.number, tracks(), shard.job.cut)
  return shard.number


# An archive's members are looked up once in a process.
_tree = functools.lru_cache(maxsize=1)(trees.open_tree)


def processes(count: int | None = None) -> Workers:
  """Processes of this machine, one for each core if no number is given.

  Raises:
    ValueError: The number is not positive.
  """
  if count is None:
    count = len(os.sched_getaffinity(0))
  if count < 1:
    raise ValueError(f'--processes={count}: at least 1')

  def work(shards: Sequence[Shard]) -> Iterator[int]:
    if count == 1 or len(shards) < 2:
      yield from map(write_shard, shards)
      return
    # A fork of a process with threads, as TensorFlow's, may hang.
    context = multiprocessing.get_context('spawn')
    workers = min(count, len(shards))
    with concurrent.futures.ProcessPoolExecutor(workers, context) as pool:
      futures = [pool.submit(write_shard, shard) for shard in shards]
      try:
        for future in concurrent.futures.as_completed(futures):
          yield future.result()
      except concurrent.futures.process.BrokenProcessPool:
        raise RuntimeError(
          'a process was killed, perhaps for want of memory; ask again with '
          'fewer --processes, and what is done is kept'
        ) from None
      finally:
        pool.shutdown(cancel_futures=True)

  return work


def beam(flags: Sequence[str]) -> Workers:
  """Apache Beam, with its own flags; none run it on this machine.

  Raises:
    RuntimeError: It is not installed.
  """
  try:
    import apache_beam
    from apache_beam.options.pipeline_options import PipelineOptions
  except ImportError:
    raise RuntimeError(
      "Apache Beam is missing: pip install 'acm-jax[beam]'"
    ) from None

  def work(shards: Sequence[Shard]) -> Iterator[int]:
    options = PipelineOptions(list(flags))
    with apache_beam.Pipeline(options=options) as pipeline:
      (
        pipeline
        | apache_beam.Create(list(shards))
        | apache_beam.Reshuffle()
        | apache_beam.Map(write_shard)
      )
    yield from (shard.number for shard in shards)

  return work


_CLAIM = 'job.json'


def _settings(job: Job, units: Sequence[Unit]) -> dict[str, Any]:
  names = '\n'.join(unit.name for unit in units)
  return {
    'source': Path(job.source).resolve().name,
    'units': len(units),
    'names': hashlib.sha256(names.encode()).hexdigest(),
    **dataclasses.asdict(job.cut),
  }


@contextlib.contextmanager
def _claimed(folder: Path, settings: dict[str, Any]) -> Iterator[dict]:
  """The folder of unfinished work, which must be of the same settings.

  It stays when the work fails, if a shard of it is whole.
  """
  claim = folder / _CLAIM
  folder.mkdir(parents=True, exist_ok=True)
  with claim.open('a+') as file:
    try:
      fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
      raise ValueError(f'{folder}: another process is writing it') from None
    file.seek(0)
    if (earlier := file.read()) not in ('', json.dumps(settings)):
      raise ValueError(
        f'{folder}: left by an earlier try with other settings or files; '
        'remove it'
      )
    if not earlier:
      file.write(json.dumps(settings))
      file.flush()
    for begun in folder.glob('.*'):
      begun.unlink()
    try:
      yield settings
    finally:
      if folder.is_dir() and not any(folder.glob('part-*.npz')):
        shutil.rmtree(folder)
