"""Runs of the comparison: each trains a network and tracks with it.

A run is a process, whose work folder has the training run, the log and, once
the run is complete, overlaps.json. An interrupted run goes on where it was.
"""

import functools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from acm_jax.host import text_files
from acm_jax.host.staging import replacing, staged
from benchmarks.ablation_stages.data import FOLDS

OVERLAPS = 'overlaps.json'
# Name of the model, next to the work folders, that all runs start from.
BACKBONE = 'backbone'
# Key of the reason in overlaps.json if training diverged.
DIVERGED = 'diverged'


class Run(NamedTuple):
  """A network to train: the first two words as in configs/ablation.py."""

  tracker: str
  form: str
  seed: int

  @property
  def name(self) -> str:
    """Name of the work folder."""
    return f'{self.tracker}-{self.form}-{self.seed}'

  @property
  def fold(self) -> int:
    """Number of the fold whose videos the run holds out."""
    return self.seed % FOLDS


class Request(NamedTuple):
  """What a run's process needs to know.

  Attributes:
    run: Tracker, form and seed.
    workdir: Work folder.
    data_dir: Folder of the prepared data sets.
    changes: Values of the config to change; keys are names such as
      'train.epochs'.
    measures: Benchmark, folder and names of the sequences of every measure; no
      names stand for all sequences.
  """

  run: Run
  workdir: str
  data_dir: str
  changes: dict[str, Any]
  measures: dict[str, tuple[str, str, list[str]]]


def write_backbone(folder: Path, init_from: str) -> None:
  """Writes the model that all runs start from, unless it exists.

  It has only the backbone, so that no run starts from a trained fusion.

  Args:
    folder: Folder of the comparison.
    init_from: Model or training run, as in `trained.read`.

  Raises:
    FileNotFoundError: `init_from` does not exist.
    ValueError: `init_from` has no backbone or is damaged.
  """
  # The process that waits for the runs needs JAX only here.
  from acm_jax.training import trained

  out = folder / BACKBONE
  if out.exists():
    return
  config, weights = trained.read(init_from)
  if 'backbone' not in weights['params']:
    raise ValueError(f'`init_from`={init_from}: has no backbone')
  with staged(out) as partial:
    parts = {name: {'backbone': x['backbone']} for name, x in weights.items()}
    trained.save(partial, config, parts)


def overlaps(workdir: Path) -> dict[str, Any] | None:
  """Returns the average overlaps of a run, or None if it is not complete.

  Returns:
    For every measure, the average overlap of each sequence; or, if training
    diverged, the reason with the key `DIVERGED`.
  """
  path = workdir / OVERLAPS
  if not path.is_file():
    return None
  return json.loads(path.read_text(encoding='utf-8'))


def carry_out(
  requests: Sequence[Request], jobs: int
) -> Iterator[tuple[Run, dict[str, Any], float]]:
  """Carries out runs, several at once, each on its share of the cores.

  Args:
    requests: Runs that are not complete.
    jobs: Number of runs at once.

  Yields:
    Each run when it is complete, its overlaps, and the seconds that it took.

  Raises:
    RuntimeError: A run ended without a result; the message names its log.
  """
  cores = sorted(os.sched_getaffinity(0))
  shares = [cores[i::jobs] for i in range(jobs)]
  processes: list[subprocess.Popen] = []

  def work(request: Request) -> tuple[Run, dict[str, Any], float]:
    share, begun = shares.pop(), time.monotonic()
    try:
      workdir = Path(request.workdir)
      workdir.mkdir(parents=True, exist_ok=True)
      with (workdir / 'log.txt').open('a', encoding='utf-8') as log:
        process = subprocess.Popen(
          [sys.executable, '-m', __name__, json.dumps(request)],
          stdout=log,
          stderr=subprocess.STDOUT,
          preexec_fn=functools.partial(os.sched_setaffinity, 0, share),
        )
        processes.append(process)
        process.wait()
    finally:
      shares.append(share)
    found = overlaps(workdir)
    if found is None:
      raise RuntimeError(
        f'{request.run.name}: ended with exit code {process.returncode}; see '
        f'{workdir / "log.txt"}, and start the command again to go on'
      )
    return request.run, found, time.monotonic() - begun

  with ThreadPoolExecutor(jobs) as pool:
    try:
      yield from pool.map(work, requests)
    except BaseException:
      pool.shutdown(wait=False, cancel_futures=True)
      for process in processes:
        process.terminate()
      raise


def _main(request: Request) -> None:
  """Trains and tracks, in a process of its own."""
  # Imported here, so that the process that waits does not load JAX.
  from ml_collections import ConfigDict

  from acm_jax.host import config_files
  from acm_jax.tracking import programs
  from acm_jax.training.log import Diverged
  from acm_jax.training.train import train

  programs.keep_programs()
  programs.reuse_memory(large=True)
  workdir, run = Path(request.workdir), Run(*request.run)
  sections = config_files.load(f'ablation:{run.tracker},{run.form}')
  config = ConfigDict(sections)
  config.update_from_flattened_dict({'train.seed': run.seed, **request.changes})
  try:
    backbone = str(workdir.parent / BACKBONE)
    train(config, workdir / 'training', request.data_dir, backbone)
    found = _measured(workdir / 'training', request.measures)
  except Diverged as error:
    found = {DIVERGED: str(error)}
  with replacing(workdir / OVERLAPS) as path:
    text_files.write(path, json.dumps(found))


def _measured(
  checkpoint: Path, measures: Mapping[str, tuple[str, str, list[str]]]
) -> dict[str, dict[str, float]]:
  """Returns the average overlap of each sequence of every measure."""
  from acm_jax.evaluation import benchmarks
  from acm_jax.running.overlaps import average_overlaps
  from acm_jax.tracking.engine import Engine
  from acm_jax.training import trained

  engine = Engine(trained.load(str(checkpoint)))
  found = {}
  for measure, (benchmark, folder, names) in measures.items():
    videos = [
      video
      for video in benchmarks.sequences(benchmarks.get(benchmark), Path(folder))
      if not names or video.name in names
    ]
    values = average_overlaps(engine, videos)
    found[measure] = {
      video.name: round(float(value), 6)
      for video, value in zip(videos, values, strict=True)
    }
  return found


if __name__ == '__main__':
  _main(Request(*json.loads(sys.argv[1])))
