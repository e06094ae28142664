"""Runs of the comparison: each trains a network and tracks with it.

A run is a process, whose work folder has the training run, the log and, once
the run is complete, result.json. An interrupted run goes on where it was.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any, NamedTuple

from acm_jax.host import text_files
from acm_jax.host.staging import replacing, staged

# Name of the model, next to the work folders, that all runs start from.
BACKBONE = 'backbone'
# Keys of a result.
OVERLAPS, PARAMETERS, DIVERGED = 'overlaps', 'parameters', 'diverged'
_RESULT, _LOG = 'result.json', 'log.txt'
# Arguments of Python that start a run.
PROGRAM = ('-m', __name__)


class Run(NamedTuple):
  """A network to train: the first two words as in configs/ablation.py."""

  tracker: str
  form: str
  seed: int

  @property
  def name(self) -> str:
    """Name of the work folder."""
    return f'{self.tracker}-{self.form}-{self.seed}'


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


def write_backbone(folder: Path, init_from: str) -> int:
  """Writes the model that all runs start from, unless it exists.

  It has only the backbone, so that no run starts from a trained fusion.

  Args:
    folder: Folder of the comparison.
    init_from: Model or training run, as in `trained.read`.

  Returns:
    The checksum of the backbone in `init_from`.

  Raises:
    FileNotFoundError: `init_from` does not exist.
    ValueError: `init_from` has no backbone or is damaged, or the comparison has
      another backbone.
  """
  # The process that waits for the runs needs JAX only here.
  from acm_jax.training import trained
  from acm_jax.training.checksum import checksum

  config, weights = trained.read(init_from)
  if 'backbone' not in weights['params']:
    raise ValueError(f'`init_from`={init_from}: has no backbone')
  parts = {name: {'backbone': x['backbone']} for name, x in weights.items()}
  out, found = folder / BACKBONE, checksum(parts)
  if not out.exists():
    with staged(out) as partial:
      trained.save(partial, config, parts)
  elif checksum(trained.read(out)[1]) != found:
    raise ValueError(
      f'{out}: is not the backbone of `init_from`={init_from}; choose another '
      '`out`'
    )
  return found


def result(workdir: Path) -> dict[str, Any] | None:
  """Returns the result of a run, or None if the run is not complete.

  Returns:
    `OVERLAPS`, for every measure the average overlap of each sequence, and
    `PARAMETERS`, the number of trained numbers outside of the backbone; or, if
    training diverged, only the reason, `DIVERGED`.
  """
  path = workdir / _RESULT
  if not path.is_file():
    return None
  return json.loads(path.read_text(encoding='utf-8'))


def carry_out(
  requests: Sequence[Request], jobs: int
) -> Iterator[tuple[Run, dict[str, Any], float]]:
  """Carries out runs, several at once, each on its share of the cores.

  Args:
    requests: Runs that are not complete.
    jobs: Number of runs at once, at most the number of cores.

  Yields:
    Each run when it is complete, its result, and the seconds that it took.

  Raises:
    RuntimeError: Runs ended without a result; raised when all others are
      complete. The message names their logs.
  """
  cores = sorted(os.sched_getaffinity(0))
  shares = [cores[i::jobs] for i in range(jobs)]
  processes: list[subprocess.Popen] = []

  def work(request: Request) -> float:
    share, begun = shares.pop(), time.monotonic()
    try:
      workdir = Path(request.workdir)
      workdir.mkdir(parents=True, exist_ok=True)
      with (workdir / _LOG).open('a', encoding='utf-8') as log:
        arguments = [json.dumps(request), *map(str, share)]
        process = subprocess.Popen(
          [sys.executable, *PROGRAM, *arguments],
          stdout=log,
          stderr=subprocess.STDOUT,
        )
        processes.append(process)
        process.wait()
    finally:
      shares.append(share)
    return time.monotonic() - begun

  failed = []
  with ThreadPoolExecutor(jobs) as pool:
    futures = {pool.submit(work, request): request for request in requests}
    try:
      for future in as_completed(futures):
        request = futures[future]
        found = result(Path(request.workdir))
        if found is None:
          failed.append(str(Path(request.workdir) / _LOG))
        else:
          yield request.run, found, future.result()
    except BaseException:
      pool.shutdown(wait=False, cancel_futures=True)
      for process in processes:
        process.terminate()
      raise
  if failed:
    raise RuntimeError(
      f'runs ended without a result; see {", ".join(failed)}, and start the '
      'command again to go on'
    )


def _main(request: Request, cores: Sequence[int]) -> None:
  """Trains and tracks, in a process of its own, on some of the cores."""
  # Before JAX starts its threads.
  os.sched_setaffinity(0, cores)
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
  with replacing(workdir / _RESULT) as path:
    text_files.write(path, json.dumps(found))


def _measured(
  checkpoint: Path, measures: Mapping[str, tuple[str, str, list[str]]]
) -> dict[str, Any]:
  """Measures a trained network; see `result`."""
  import jax

  from acm_jax.evaluation import benchmarks
  from acm_jax.running.overlaps import average_overlaps
  from acm_jax.tracking.engine import Engine
  from acm_jax.training import trained

  model = trained.load(str(checkpoint))
  engine = Engine(model)
  overlaps = {}
  for measure, (benchmark, folder, names) in measures.items():
    videos = [
      video
      for video in benchmarks.sequences(benchmarks.get(benchmark), Path(folder))
      if not names or video.name in names
    ]
    values = average_overlaps(engine, videos)
    overlaps[measure] = {
      video.name: round(float(value), 6)
      for video, value in zip(videos, values, strict=True)
    }
  parts = {
    k: v for k, v in model.variables['params'].items() if k != 'backbone'
  }
  count = sum(array.size for array in jax.tree.leaves(parts))
  return {OVERLAPS: overlaps, PARAMETERS: count}


if __name__ == '__main__':
  _main(Request(*json.loads(sys.argv[1])), [int(x) for x in sys.argv[2:]])
