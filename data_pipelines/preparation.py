"""From a data set's official files to a clip set, shard by shard.

A set's units, in a fixed order, are divided into shards. Every shard is written
by itself, by this process, another, or a worker of Apache Beam; then their
parts become one index. Until that is done everything lies in a folder beside
the one that was asked for, and a second try leaves out the shards that are
there.
"""

import concurrent.futures
import contextlib
import ctypes
import dataclasses
import fcntl
import functools
import hashlib
import json
import multiprocessing
import os
import pickle
import signal
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from etils import epath

from acm_jax.datasets import sources, trees
from acm_jax.datasets.sources.source import Source, Unit
from acm_jax.host.progress import Progress
from acm_jax.host.staging import is_here, replacing
from data_pipelines import clip_set, clip_writer
from data_pipelines.clips import Cut


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
  """One file of records, whose units lie in a file beside it.

  Attributes:
    job: What it is a part of.
    folder: Where it is written.
    number: Its number.
  """

  job: Job
  folder: str
  number: int


# Writes shards, and yields the number of each that is done.
Workers = Callable[[Sequence[Shard]], Iterator[int]]


def prepare(
  job: Job,
  out: epath.PathLike,
  workers: Workers,
  exclude: Collection[str] = frozenset(),
) -> dict[str, Any]:
  """Writes the clip set of a data set.

  Args:
    job: What to write.
    out: Folder of the clip set, here or at an address that etils.epath knows;
      must not exist.
    workers: Who writes it.
    exclude: Names of units that are left out.

  Returns:
    The manifest.

  Raises:
    OSError: The source, or a file that is needed, is missing; or the disk is
      full.
    RuntimeError: TensorFlow or Beam is missing, or a worker died.
    ValueError: An annotation is malformed, `out` exists, or what an earlier
      try left was made from something else.
  """
  out, here = epath.Path(out), is_here(out)
  # Far away a folder cannot take another name at once: there the manifest,
  # written last, makes a clip set of what lies under the final name.
  begun = not here and (out / _CLAIM).exists()
  if out.exists() and not begun:
    raise ValueError(f'{out} is there already: remove it or name another')
  folder = out.with_name(f'.{out.name}.partial') if here else out
  source = sources.make(job.name)
  units = list(_units(job, source, frozenset(exclude)))
  starts = range(0, len(units), source.per_shard)
  parts = [units[start : start + source.per_shard] for start in starts]
  with _claimed(folder, _settings(job, units)) as settings:
    if not _is_whole(folder):
      missing = [
        number
        for number in range(len(parts))
        if not clip_writer.is_whole(folder, number)
      ]
      for number in missing:
        with replacing(folder / _units_name(number)) as path:
          path.write_bytes(pickle.dumps(parts[number]))
      shards = [Shard(job, os.fspath(folder), number) for number in missing]
      _write(shards, [len(part) for part in parts], workers, out.name)
      clip_writer.merge(
        folder, len(parts), job.cut, {job.name: settings}, named=out
      )
    clip_writer.remove_parts(folder, len(parts))
    for number in range(len(parts)):
      (folder / _units_name(number)).unlink(missing_ok=True)
    if here:
      folder.rename(out)
    (out / _CLAIM).unlink()
  return clip_set.read_manifest(out)


def _units(job: Job, source: Source, exclude: frozenset[str]) -> Iterator[Unit]:
  """What the source has, but for those to exclude."""
  seen: set[str] = set()
  for unit in source.units(trees.open_tree(job.source)):
    if unit.name in seen:
      raise ValueError(f'{job.source}: two videos are called {unit.name}')
    seen.add(unit.name)
    if unit.name not in exclude:
      yield unit
  if unknown := sorted(exclude - seen):
    raise ValueError(
      f'{job.source}: no video is called {unknown[0]}, which is to be excluded'
    )
  if seen == exclude:
    raise ValueError(f'{job.source}: nothing of {job.name} in it')


def _is_whole(folder: epath.Path) -> bool:
  """Whether an earlier try was killed after the last file was written."""
  try:
    clip_set.ClipSet(folder)
  except (FileNotFoundError, ValueError):
    return False
  return True


def _write(
  shards: Sequence[Shard], counts: Sequence[int], workers: Workers, label: str
) -> None:
  """Lets the workers write; `counts` has the units of all shards."""
  total = sum(counts)
  done = total - sum(counts[shard.number] for shard in shards)
  with Progress(label, total, 'videos or images', done) as shown:
    for number in workers(shards):
      done += counts[number]
      shown.update(done)


def _units_name(number: int) -> str:
  return f'units-{number:05d}.pickle'


def write_shard(shard: Shard) -> int:
  """Reads the units of a shard and writes its records; returns its number."""
  source = sources.make(shard.job.name)
  tree = _tree(shard.job.source)
  # Written by the process that divided them.
  file = epath.Path(shard.folder) / _units_name(shard.number)
  units = pickle.loads(file.read_bytes())

  def tracks():
    for unit in units:
      for track in source.tracks(tree, unit):
        yield track._replace(video=unit.name)

  clip_writer.write_shard(shard.folder, shard.number, tracks(), shard.job.cut)
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
    with concurrent.futures.ProcessPoolExecutor(
      workers, context, _end_with_parent, (os.getpid(),)
    ) as pool:
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


def _end_with_parent(parent: int) -> None:
  """Ends this process when the one that began it is killed."""
  with contextlib.suppress(OSError, AttributeError):
    # Linux's PR_SET_PDEATHSIG.
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
  if os.getppid() != parent:
    os._exit(1)


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
    'source': epath.Path(job.source).resolve().name,
    'units': len(units),
    'names': hashlib.sha256(names.encode()).hexdigest(),
    'version': clip_set.VERSION,
    **dataclasses.asdict(job.cut),
  }


@contextlib.contextmanager
def _claimed(folder: epath.Path, settings: dict[str, Any]) -> Iterator[dict]:
  """The folder of unfinished work, which must be of the same settings.

  It stays when the work fails, if a shard of it is whole.
  """
  folder.mkdir(parents=True, exist_ok=True)
  with _locked(folder):
    claim = folder / _CLAIM
    earlier = claim.read_text() if claim.exists() else ''
    if earlier not in ('', json.dumps(settings)):
      raise ValueError(
        f'{folder}: left by an earlier try with other settings or files; '
        'remove it'
      )
    if not earlier:
      with replacing(claim) as path:
        path.write_text(json.dumps(settings))
    for begun in Path(folder).glob('.*') if is_here(folder) else ():
      begun.unlink()
    try:
      yield settings
    finally:
      whole = [*folder.glob('part-*.npz'), *folder.glob('manifest.json')]
      if folder.exists() and not whole:
        _discard(folder)


def _discard(folder: epath.Path) -> None:
  """Removes what nothing can go on from; far away nothing but our own files."""
  if is_here(folder):
    folder.rmtree()
    return
  for pattern in (_CLAIM, 'units-*.pickle', 'clips-*.tfrecord'):
    for file in folder.glob(pattern):
      file.unlink()


@contextlib.contextmanager
def _locked(folder: epath.Path) -> Iterator[None]:
  """Keeps other processes of this machine out; far away nothing can."""
  if not is_here(folder):
    yield
    return
  descriptor = os.open(folder, os.O_RDONLY)
  try:
    try:
      fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
      raise ValueError(f'{folder}: another process is writing it') from None
    yield
  finally:
    os.close(descriptor)
