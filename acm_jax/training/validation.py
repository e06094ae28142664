"""Validation while training: tracking of sequences that are held out of it."""

import dataclasses
from pathlib import Path

import jax
import numpy as np

from acm_jax.datasets.sequences import Sequence
from acm_jax.evaluation import benchmarks, metrics, toolkits
from acm_jax.evaluation.experiments.one_pass import OnePass
from acm_jax.evaluation.truth import Truth
from acm_jax.running import scheduler
from acm_jax.running.scheduler import Job
from acm_jax.tracking.contract import Hparams, Tracker, Variables
from acm_jax.tracking.engine import Engine, Programs
from acm_jax.tracking.model import Model
from acm_jax.training import template_gap
from acm_jax.training.checkpoints import CRITERION
from acm_jax.training.sections import Validation, section


@dataclasses.dataclass(frozen=True, eq=False)
class Validator:
  """Measures a network by tracking; compiles once, in the first measurement.

  Attributes:
    tracker: Tracker of the run.
    hparams: Its penalty, window and smoothing.
    sequences: Sequences that are held out.
    pairs: Pairs for the gap between right and wrong templates.
    precision: Precision of matrix products.
    programs: Compiled programs.
  """

  tracker: Tracker
  hparams: Hparams
  sequences: list[Sequence]
  pairs: template_gap.Pairs
  precision: str
  programs: Programs = dataclasses.field(default_factory=Programs)

  def measure(self, variables: Variables) -> dict[str, float]:
    """Gives the figures of a network, by their names in metrics.jsonl."""
    # A copy on one device, whatever mesh the run has.
    variables = jax.device_put(
      jax.device_get(variables), jax.local_devices()[0]
    )
    model = Model(
      'validation', self.tracker, variables, self.hparams, self.precision
    )
    gap = template_gap.measure(model, self.pairs, self.programs)
    return {
      CRITERION: self._average_overlap(model),
      **{f'validation_{name}': value for name, value in gap.items()},
    }

  def _average_overlap(self, model: Model) -> float:
    """Mean over sequences of the mean overlap in frames that count."""
    engine = Engine(model, len(self.sequences), programs=self.programs)
    truths = list(map(Truth.of, self.sequences))
    jobs = [
      Job(sequence, OnePass().protocol(sequence, truth))
      for sequence, truth in zip(self.sequences, truths, strict=True)
    ]
    overlaps = []
    for done in scheduler.drive(engine, jobs):
      boxes = done.runs[0].region
      rated = toolkits.rated_overlaps(boxes, truths[done.index])
      overlaps.append(metrics.average_overlap(rated))
    return float(np.mean(overlaps))


def load(
  config: Validation | None,
  root: str | None,
  tracker: Tracker,
  hparams: Hparams,
  precision: str = 'highest',
) -> Validator | None:
  """Loads the validation of a run, if it has one.

  Args:
    config: Section `validation`.
    root: Folder of its benchmark.
    tracker: Tracker of the run.
    hparams: Its penalty, window and smoothing.
    precision: Precision of matrix products.

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
  return Validator(tracker, hparams, found, pairs, precision)


def _find(config: Validation, root: Path) -> list[Sequence]:
  benchmark = benchmarks.get(config.benchmark)
  if not benchmark.validation:
    others = [b.name for b in benchmarks.BENCHMARKS.values() if b.validation]
    raise ValueError(
      f'{benchmark.name} is there to report on, not to choose by; take one of '
      f'{", ".join(others)}'
    )
  known = {each.name: each for each in benchmarks.sequences(benchmark, root)}
  if missing := [name for name in config.sequences if name not in known]:
    raise ValueError(
      f'{", ".join(missing)} not found below {root}; there are '
      f'{", ".join(known)}'
    )
  found = [known[name] for name in config.sequences]
  for sequence in found:
    if not (sequence.visible[0] and sequence.visible[1:].any()):
      raise ValueError(
        f'{sequence.name} has no target in its first frame or in no other one; '
        'leave it out'
      )
  return found
