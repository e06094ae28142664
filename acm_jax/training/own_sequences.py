"""A user's own sequences as training data of a run, and their held-out part.

The sequences are in the layout `folder` (`datasets.sources.folder`). The videos
that are not held out become a clip set in the folder of the run.
"""

import hashlib
import math
from collections.abc import Collection
from pathlib import Path

from etils import epath

from acm_jax.datasets import sources, trees
from acm_jax.datasets.sources import folder
from acm_jax.evaluation import benchmarks
from acm_jax.training import processes, validation
from data_pipelines import clip_set, preparation, training_set
from data_pipelines.clips import Cut

_LAYOUT = 'folder'


def held_out(
  data_dir: epath.PathLike | None, fraction: float
) -> tuple[str, ...]:
  """Chooses the sequences that validate a run.

  All sequences of a video are held out together; see `folder.videos`. The
  choice depends only on the names of the videos.

  Args:
    data_dir: Folder of the sequences.
    fraction: Fraction of the videos to hold out; at least one is held out.

  Raises:
    FileNotFoundError: `data_dir` does not exist or has no sequences.
    ValueError: `data_dir` is None, or no video would be left to train on.
  """
  if data_dir is None:
    raise ValueError(
      'no sequences are named; give `data_dir`, a folder with '
      '<sequence>/img/ and <sequence>/groundtruth.txt for each sequence'
    )
  tree = trees.open_tree(data_dir)
  names = [unit.name for unit in sources.make(_LAYOUT).units(tree)]
  video_of = folder.videos(names)
  videos = sorted(set(video_of.values()), key=_shuffled)
  count = max(1, math.floor(fraction * len(videos) + 0.5))
  if count >= len(videos):
    raise ValueError(
      f'{data_dir}: has sequences of {len(videos)} '
      f'{"video" if len(videos) == 1 else "videos"}, of which {count} would be '
      'held out, which leaves none to train on; add sequences of other videos, '
      'or cut the video into parts with names of their own'
    )
  chosen = set(videos[:count])
  return tuple(sorted(name for name in names if video_of[name] in chosen))


def to_validate(
  data_dir: epath.PathLike, held_out: Collection[str]
) -> tuple[str, ...]:
  """Returns the held-out sequences that can validate a run; names the others.

  Args:
    data_dir: Folder of the sequences.
    held_out: Names of the held-out sequences.

  Raises:
    OSError: A file is missing.
    ValueError: An annotation is malformed, or no sequence can validate a run.
  """
  found = benchmarks.sequences(
    benchmarks.get(_LAYOUT), Path(data_dir), held_out
  )
  suited = tuple(each.name for each in found if validation.suits(each))
  if not suited:
    raise ValueError(
      f'{data_dir}: the target of no held-out sequence ({", ".join(held_out)}) '
      'is visible in the first frame and in a later frame; annotate more '
      'frames of them, or hold out more videos with config.own.held_out'
    )
  for name in sorted({*held_out} - {*suited}):
    processes.say(
      f'{name} is held out, but not tracked: its target is not visible in the '
      'first frame and in a later frame'
    )
  return suited


def _shuffled(name: str) -> str:
  """Returns a key that sorts names in an order without meaning."""
  return hashlib.sha256(name.encode('utf-8', 'surrogateescape')).hexdigest()


def ensure(
  out: Path, data_dir: epath.PathLike, exclude: Collection[str], stride: int
) -> None:
  """Writes the clip set of a run, unless an earlier start has written it.

  Args:
    out: Folder of the clip set.
    data_dir: Folder of the sequences.
    exclude: Names of the sequences that are held out.
    stride: Every `stride`-th frame of a sequence is used.

  Raises:
    OSError: A file is missing, or the disk is full.
    ValueError: An annotation is malformed, or a sequence that is held out now
      was not held out when the clip set was written.
  """
  if not (out / 'manifest.json').exists():
    job = preparation.Job(_LAYOUT, str(data_dir), Cut(stride))
    preparation.prepare(job, out, preparation.processes(), exclude)
    print(clip_set.describe(out), flush=True)
  elif used := set(exclude) & set(training_set.read_names(out)):
    raise ValueError(
      f'{data_dir}: sequences were added or removed since the run began, so '
      f'that {", ".join(sorted(used))}, which it has trained on, would be held '
      'out; restore the folder, or choose another `workdir`'
    )
