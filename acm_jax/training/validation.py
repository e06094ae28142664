"""Validation while training: tracking of sequences that are held out of it."""

import dataclasses
import functools
from pathlib import Path

import jax
import numpy as np
from jaxtyping import Bool

from acm_jax.evaluation import benchmarks, metrics, run
from acm_jax.tracking import lanes
from acm_jax.tracking.contract import Hparams, Tracker, Variables
from acm_jax.training import template_gap
from acm_jax.training.checkpoints import CRITERION
from acm_jax.training.sections import Validation, section
from data_pipelines.sequences import Sequence, read_frame


@dataclasses.dataclass(frozen=True, eq=False)
class Validator:
  """Measures a network by tracking; compiles once, in the first measurement.

  Attributes:
    tracker: Tracker of the run.
    hparams: Its penalty, window and smoothing.
    sequences: Sequences that are held out.
    pairs: Pairs for the gap between right and wrong templates.
    programs: Compiled programs.
  """

  tracker: Tracker
  hparams: Hparams
  sequences: list[Sequence]
  pairs: template_gap.Pairs
  programs: lanes.Programs = dataclasses.field(default_factory=lanes.Programs)

  def measure(self, variables: Variables) -> dict[str, float]:
    """Gives the figures of a network, by their names in metrics.jsonl."""
    # A copy on one device, whatever mesh the run has.
    variables = jax.device_put(
      jax.device_get(variables), jax.local_devices()[0]
    )
    gap = template_gap.measure(
      self.tracker, variables, self.pairs, self.programs
    )
    return {
      CRITERION: self._average_overlap(variables),
      **{f'validation_{name}': value for name, value in gap.items()},
    }

  def _average_overlap(self, variables: Variables) -> float:
    """Mean over sequences of the mean overlap in frames that count."""
    videos = [
      lanes.Video(s.name, len(s), functools.partial(_frame, s), s.box_xywh[0])
      for s in self.sequences
    ]
    overlaps = []
    for followed in lanes.follow(
      self.tracker,
      variables,
      self.hparams,
      videos,
      lanes=len(videos),
      programs=self.programs,
    ):
      sequence = self.sequences[followed.index]
      rated = counted(sequence)
      overlap = metrics.overlaps(
        followed.tracked.box_xywh[rated], sequence.box_xywh[rated]
      )
      overlaps.append(metrics.average_overlap(overlap))
    return float(np.mean(overlaps))


def counted(sequence: Sequence) -> Bool[np.ndarray, 'n']:
  """Frames that count: those with a target, but for the first one."""
  return sequence.visible & (np.arange(len(sequence)) > 0)


def _frame(sequence: Sequence, index: int) -> np.ndarray:
  return read_frame(sequence.frame_paths[index])


def load(
  config: Validation | None,
  root: str | None,
  tracker: Tracker,
  hparams: Hparams,
) -> Validator | None:
  """Loads the validation of a run, if it has one.

  Args:
    config: Section `validation`.
    root: Folder of its benchmark.
    tracker: Tracker of the run.
    hparams: Its penalty, window and smoothing.

  Raises:
    OSError: The folder or an image is not there.
    ValueError: There is a folder and no section or the reverse; or a sequence
      is not there, or is none to validate on.
  """
  if config is None and root is None:
    return None
  if config is None:
    raise ValueError(
      '--validation_dir: the config has no section `validation`, which names '
      'the sequences; add one or leave out the flag'
    )
  if root is None:
    raise ValueError(
      'config.validation: no folder is named; give --validation_dir=DIR, the '
      f'root of {config.benchmark}'
    )
  with section('validation'):
    found = _find(config, Path(root))
  pairs = template_gap.draw(found, tracker, config.pairs)
  return Validator(tracker, hparams, found, pairs)


def _find(config: Validation, root: Path) -> list[Sequence]:
  benchmark = benchmarks.get(config.benchmark)
  if not benchmark.validation:
    others = [b.name for b in benchmarks.BENCHMARKS.values() if b.validation]
    raise ValueError(
      f'{benchmark.name} is there to report on, not to choose by; take one of '
      f'{", ".join(others)}'
    )
  known = {each.name: each for each in run.sequences(benchmark, root)}
  if missing := [name for name in config.sequences if name not in known]:
    raise ValueError(
      f'{", ".join(missing)} not found below {root}; there are '
      f'{", ".join(known)}'
    )
  found = [known[name] for name in config.sequences]
  for sequence in found:
    if not (sequence.visible[0] and counted(sequence).any()):
      raise ValueError(
        f'{sequence.name} has no target in its first frame or in no other one; '
        'leave it out'
      )
  return found
