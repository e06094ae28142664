"""Prepares a clip set from a data set's official files, shard by shard.

A data set is a list of units, which are videos or images. The units are divided
into shards in a fixed order. The shards are written independently of each
other: by the calling process, by worker processes, or by the workers of Apache
Beam. Each shard comes with a part of the index; at the end, the parts are
merged into one index.

Until a local set is complete, its files are in a temporary folder next to the
output folder. A remote set is written directly into the output folder. A
repeated run skips the shards that are complete, unless an image was unreadable.
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
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from etils import epath

from acm_jax.datasets import nearby, sources, trees
from acm_jax.datasets.sources.source import Source, Unit
from acm_jax.host import text_files
from acm_jax.host.names import listed, unknown
from acm_jax.host.progress import Progress
from acm_jax.host.staging import is_local, replacing
from data_pipelines import clip_set, clip_writer
from data_pipelines.clips import Cut


@dataclasses.dataclass(frozen=True)
class Job:
  """Description of a clip set to prepare.

  Attributes:
    name: Name of the data set, one of `sources.names()`.
    source: Folder or archive of the official files.
    cut: Settings for cutting the tracks into clips.
  """

  name: str
  source: str
  cut: Cut


@dataclasses.dataclass(frozen=True)
class Shard:
  """A shard to write.

  Attributes:
    job: Job that the shard is a part of.
    folder: Folder of the unfinished clip set. A file in this folder lists the
      videos or images of the shard.
    number: Number of the shard.
  """

  job: Job
  folder: str
  number: int


# A function that writes shards and yields the number of each finished shard.
Workers = Callable[[Sequence[Shard]], Iterator[int]]


def prepare(
  job: Job,
  out: epath.PathLike,
  workers: Workers,
  exclude: Iterable[str] = (),
) -> dict[str, Any]:
  """Writes a data set as a clip set.

  A run that is interrupted keeps its finished shards in a hidden folder next to
  `out`. The next run with the same settings goes on from these shards.

  Args:
    job: Description of the clip set.
    out: Folder of the clip set, local or at an address that etils.epath
      supports; must not exist.
    workers: Function that writes the shards, such as the one that `processes`
      returns.
    exclude: Names of videos or images to leave out, and paths of text files
      with one name per line.

  Returns:
    The manifest of the clip set.

  Raises:
    OSError: The source or one of its files is missing, or the disk is full.
    RuntimeError: Beam is not installed, or a worker died.
    ValueError: An annotation is malformed, `out` exists, or an interrupted run
      had other settings.
  """
  out, local = epath.Path(out), is_local(out)
  # A remote folder cannot be renamed atomically, so it has its final name from
  # the start. It counts as a clip set once it has a manifest, which is written
  # last.
  begun = not local and (out / _CLAIM).exists()
  if out.exists() and not begun:
    raise ValueError(f'{out}: already exists; remove it or name another folder')
  folder = out.with_name(f'.{out.name}.partial') if local else out
  source = sources.make(job.name)
  units = _units(job, source, exclude)
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
    if local:
      folder.rename(out)
    (out / _CLAIM).unlink()
  return clip_set.read_manifest(out)


def _units(job: Job, source: Source, exclude: Iterable[str]) -> list[Unit]:
  """Returns the videos or images of a job except the excluded ones."""
  units: dict[str, Unit] = {}
  for unit in _found(job, source):
    if unit.name in units:
      raise ValueError(
        f'{job.source}: two videos or images are called {unit.name}; rename one'
      )
    units[unit.name] = unit
  left_out = listed(exclude, units)
  if wrong := unknown(left_out, units):
    raise ValueError(
      f'{job.source}: no video or image is called {wrong}; correct `exclude`, '
      'which takes names, and paths of files with one name per line'
    )
  for name in left_out:
    del units[name]
  if not units:
    raise ValueError(
      f'{job.source}: no video or image of {job.name} to prepare; check '
      '`source` and `exclude`'
    )
  return list(units.values())


def _found(job: Job, source: Source) -> list[Unit]:
  """Returns all videos or images in the folder or archive of a job.

  If there are none, but a folder above or below has some, the error names that
  folder.
  """
  try:
    return list(source.units(trees.open_tree(job.source)))
  except FileNotFoundError as error:
    meant = None
    if is_local(job.source) and Path(job.source).is_dir():
      meant = nearby.find(
        Path(job.source), functools.partial(_has_videos, source)
      )
    if meant is None:
      raise
    raise FileNotFoundError(
      f'{error}; {meant} has videos or images of {job.name}: give that folder'
    ) from None


def _has_videos(source: Source, folder: Path) -> bool:
  """Returns whether a folder has videos or images of a data set.

  Raises:
    FileNotFoundError: It has none, or the first one lacks a file.
  """
  tree = trees.Folder(epath.Path(folder))
  try:
    for unit in source.units(tree):
      source.tracks(tree, unit)
      return True
  except ValueError:
    # Only a video or an image of the data set can be malformed.
    return True
  return False


def _is_whole(folder: epath.Path) -> bool:
  """Returns whether an earlier run has written all files of the set."""
  try:
    clip_set.ClipSet(folder)
  except (FileNotFoundError, ValueError):
    return False
  return True


def _write(
  shards: Sequence[Shard], counts: Sequence[int], workers: Workers, label: str
) -> None:
  """Writes shards with `workers`, and shows the progress.

  Args:
    shards: Shards to write.
    counts: Number of videos or images in each shard of the job, including
      shards that are already complete.
    workers: Function that writes the shards.
    label: Label of the progress display.
  """
  total = sum(counts)
  done = total - sum(counts[shard.number] for shard in shards)
  with Progress(label, total, 'videos or images', done) as shown:
    for number in workers(shards):
      done += counts[number]
      shown.update(done)


def _units_name(number: int) -> str:
  return f'units-{number:05d}.pickle'


def write_shard(shard: Shard) -> int:
  """Writes a shard and returns the number of the shard."""
  source = sources.make(shard.job.name)
  tree = _tree(shard.job.source)
  # Unpickling is safe, since `prepare` wrote the file.
  file = epath.Path(shard.folder) / _units_name(shard.number)
  units = pickle.loads(file.read_bytes())

  def tracks():
    for unit in units:
      for track in source.tracks(tree, unit):
        yield track._replace(video=unit.name)

  clip_writer.write_shard(shard.folder, shard.number, tracks(), shard.job.cut)
  return shard.number


# The cache lets each process list an archive's members only once.
_tree = functools.lru_cache(maxsize=1)(trees.open_tree)


def processes(count: int | None = None) -> Workers:
  """Returns a function that writes shards in local processes.

  Args:
    count: Number of processes (default: one per core).

  Raises:
    ValueError: `count` is not positive.
  """
  if count is None:
    count = len(os.sched_getaffinity(0))
  if count < 1:
    raise ValueError(f'`processes`={count}: must be at least 1')

  def work(shards: Sequence[Shard]) -> Iterator[int]:
    if count == 1 or len(shards) < 2:
      yield from map(write_shard, shards)
      return
    # The processes are spawned, since a fork of a process with threads, such as
    # JAX's, may hang.
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
          'a worker process was killed, perhaps because memory ran out; repeat '
          'the command with fewer `processes`; finished shards are kept'
        ) from None
      finally:
        pool.shutdown(cancel_futures=True)

  return work


def _end_with_parent(parent: int) -> None:
  """Arranges that this process ends when its parent is killed.

  Args:
    parent: Process ID of the parent.
  """
  with contextlib.suppress(OSError, AttributeError):
    # 1 is Linux's PR_SET_PDEATHSIG.
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
  if os.getppid() != parent:
    os._exit(1)


def beam(flags: Sequence[str]) -> Workers:
  """Returns a function that writes shards with Apache Beam.

  Args:
    flags: Flags of Apache Beam; without any, Beam runs locally.

  Raises:
    RuntimeError: Apache Beam is not installed.
  """
  try:
    import apache_beam
    from apache_beam.options.pipeline_options import PipelineOptions
  except ImportError:
    raise RuntimeError(
      "Apache Beam is not installed: run pip install 'acm-jax[beam]'"
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


# File with the settings of a run. It exists until the clip set is complete.
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
  """Reserves the folder of an unfinished clip set for one run.

  Stores `settings` in the folder and yields them. If the run fails, the folder
  is kept only if at least one shard is complete.

  Raises:
    ValueError: The folder was left by a run with other settings, or another
      process is writing to it.
  """
  folder.mkdir(parents=True, exist_ok=True)
  with _locked(folder):
    claim = folder / _CLAIM
    earlier = text_files.read(claim) if claim.exists() else ''
    if earlier not in ('', json.dumps(settings)):
      raise ValueError(
        f'{folder}: left by an earlier run with other settings, videos or '
        'images; remove it, or repeat the earlier command'
      )
    if not earlier:
      with replacing(claim) as path:
        text_files.write(path, json.dumps(settings))
    for temporary in Path(folder).glob('.*') if is_local(folder) else ():
      temporary.unlink()
    try:
      yield settings
    finally:
      finished = [*folder.glob('part-*.npz'), *folder.glob('manifest.json')]
      if folder.exists() and not finished:
        _discard(folder)


def _discard(folder: epath.Path) -> None:
  """Removes the folder of an unfinished clip set.

  If the folder is remote, removes only the files that `prepare` writes.
  """
  if is_local(folder):
    folder.rmtree()
    return
  for pattern in (_CLAIM, 'units-*.pickle', 'clips-*.tfrecord'):
    for file in folder.glob(pattern):
      file.unlink()


@contextlib.contextmanager
def _locked(folder: epath.Path) -> Iterator[None]:
  """Locks a folder against other processes, unless the folder is remote."""
  if not is_local(folder):
    yield
    return
  descriptor = os.open(folder, os.O_RDONLY)
  try:
    try:
      fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
      raise ValueError(
        f'{folder}: another process is writing to it; wait for it to end'
      ) from None
    yield
  finally:
    os.close(descriptor)
