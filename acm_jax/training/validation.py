"""Validation during training: tracking in held-out sequences."""

import dataclasses
from pathlib import Path

import jax
import numpy as np

from acm_jax.datasets.sequences import Sequence
from acm_jax.evaluation import benchmarks
from acm_jax.host.names import unknown
from acm_jax.running.overlaps import average_overlaps
from acm_jax.tracking.contract import Hparams, Tracker, Variables
from acm_jax.tracking.engine import Engine
from acm_jax.tracking.model import Model
from acm_jax.tracking.programs import Programs
from acm_jax.training import template_gap
from acm_jax.training.checkpoints import CRITERION
from acm_jax.training.sections import Validation, section


@dataclasses.dataclass(frozen=True, eq=False)
class Validator:
  """Measures a network by tracking, with programs that are compiled only once.

  Attributes:
    tracker: Tracker of the run.
    hparams: Hyper-parameters of tracking.
    sequences: Held-out sequences.
    pairs: Pairs with right and wrong templates; see `template_gap`. None if
      they are not measured.
    precision: Precision of matrix products.
    programs: Cache of compiled programs.
  """

  tracker: Tracker
  hparams: Hparams
  sequences: list[Sequence]
  pairs: template_gap.Pairs | None
  precision: str
  programs: Programs = dataclasses.field(default_factory=Programs)

  def measure(self, variables: Variables) -> dict[str, float]:
    """Tracks with a network and measures the results.

    Args:
      variables: Weights and statistics of the network.

    Returns:
      A dictionary from names of metrics to values.
    """
    # A copy on a single device, independent of the mesh of the run.
    variables = jax.device_put(
      jax.device_get(variables), jax.local_devices()[0]
    )
    model = Model(
      'validation', self.tracker, variables, self.hparams, self.precision
    )
    gap = {}
    if self.pairs is not None:
      gap = template_gap.measure(model, self.pairs, self.programs)
    return {
      CRITERION: self._average_overlap(model),
      **{f'validation_{name}': value for name, value in gap.items()},
    }

  def _average_overlap(self, model: Model) -> float:
    """Computes the mean of the sequences' average overlaps."""
    engine = Engine(model, len(self.sequences), programs=self.programs)
    return float(np.mean(average_overlaps(engine, self.sequences)))


def suits(sequence: Sequence) -> bool:
  """Returns whether the target is visible in the first and in a later frame."""
  return bool(sequence.visible[0] and sequence.visible[1:].any())


def load(
  config: Validation | None,
  root: str | None,
  tracker: Tracker,
  hparams: Hparams,
  precision: str = 'highest',
) -> Validator | None:
  """Creates the validator of a run, if its config has the section `validation`.

  Args:
    config: Config section `validation`; None if the config has no such section.
    root: Root folder of the benchmark; None if no folder is named.
    tracker: Tracker of the run.
    hparams: Hyper-parameters of tracking.
    precision: Precision of matrix products.

  Raises:
    OSError: The folder or an image does not exist.
    ValueError: Only one of `config` and `root` is given, or a sequence does not
      exist or is not suited for validation.
  """
  if config is None and root is None:
    return None
  if config is None:
    raise ValueError(
      '`validation_dir`: the config has no section validation, which names the '
      'sequences; add the section or omit the argument'
    )
  if root is None:
    raise ValueError(
      'config.validation: no folder is named; give `validation_dir`, the root '
      f'folder of {config.benchmark}'
    )
  with section('validation'):
    held_out = _find(config, Path(root).expanduser())
  pairs = None
  if config.pairs:
    pairs = template_gap.draw(held_out, tracker, config.pairs)
  return Validator(tracker, hparams, held_out, pairs, precision)


def _find(config: Validation, root: Path) -> list[Sequence]:
  """Finds the held-out sequences and checks that they suit validation."""
  benchmark = benchmarks.get(config.benchmark)
  if not benchmark.validation:
    suited = [b.name for b in benchmarks.BENCHMARKS.values() if b.validation]
    raise ValueError(
      f'benchmark={benchmark.name!r} is for reporting results, not for '
      f'choosing models; choose one of {", ".join(suited)}'
    )
  known = {
    sequence.name: sequence
    for sequence in benchmarks.sequences(benchmark, root)
  }
  if missing := unknown(config.sequences, known):
    raise ValueError(
      f'{missing} not found below {root}; choose from {", ".join(known)}'
    )
  held_out = [known[name] for name in config.sequences]
  for sequence in held_out:
    if not suits(sequence):
      raise ValueError(
        f'{sequence.name}: the target must be visible in the first frame and '
        'in a later frame; leave the sequence out'
      )
  return held_out
