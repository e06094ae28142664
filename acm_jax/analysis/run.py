"""Analyses one tracker, or two side by side."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from acm_jax.analysis import findings, measure, pictures, report, response
from acm_jax.analysis import pairs as reading
from acm_jax.analysis.estimates import Sampling
from acm_jax.analysis.findings import Values
from acm_jax.analysis.measure import Measured
from acm_jax.analysis.pairs import Pair, Pairs
from acm_jax.host.extras import extra
from acm_jax.host.progress import Progress
from acm_jax.host.staging import staged
from acm_jax.tracking.model import Model
from acm_jax.tracking.programs import Programs
from data_pipelines.mixture import DataSet
from data_pipelines.pairs import TRIAL_OFFSET


@dataclasses.dataclass(frozen=True)
class Request:
  """Pairs to analyse.

  Attributes:
    sets: Clip sets or composed sets.
    pairs: Number of pairs.
    batch_size: Number of pairs that the device processes at once.
    seed: Random seed, 0 or more.
    shown: Number of the first pairs to draw heat maps of.
  """

  sets: Sequence[DataSet]
  pairs: int
  batch_size: int
  seed: int
  shown: int = 0


def analyze(
  models: Mapping[str, Model],
  request: Request,
  out: Path,
  programs: Programs | None = None,
) -> str:
  """Analyses trackers, and writes tables, plots and heat maps.

  Args:
    models: One or two trackers; keys are their names in the tables.
    request: Pairs to analyse.
    out: Folder to create.
    programs: Cache of compiled programs.

  Returns:
    The tables in Markdown.

  Raises:
    FileNotFoundError: A data set is missing.
    ValueError: The trackers have different geometries, the output of a network
      is not finite, no pair has a wrong template, `out` exists, or a data set
      is named twice, does not suit the trackers or is damaged.
  """
  programs = Programs() if programs is None else programs
  geometry = shared_geometry(models)
  tracker = next(iter(models.values())).tracker
  prior = any(measure.has_prior(model.tracker) for model in models.values())
  with staged(out) as folder:
    pairs = Pairs(request.sets, tracker, request.seed, prior)
    values, sampling, shown = _collect(models, pairs, request, programs)
    (folder / 'heat').mkdir()
    for number, (pair, measured) in shown.items():
      title = f'pair {number}: {pairs.name(number)}'
      path = folder / 'heat' / f'{number:06d}.png'
      with extra(path):
        pictures.write_heat(pair, measured, tracker.stride, title, path)
    about = _about(models, pairs, request, geometry)
    return _write(values, sampling, about, folder)


def _collect(
  models: Mapping[str, Model],
  pairs: Pairs,
  request: Request,
  programs: Programs,
) -> tuple[
  dict[str, Values], Sampling, dict[int, tuple[Pair, dict[str, Measured]]]
]:
  """Measures all pairs.

  Returns:
    The measures of each tracker; the sequences of the pairs; and the pairs to
    draw, with their measures by each tracker.
  """
  parts, sequences, shown = {name: [] for name in models}, [], {}
  for first, batch, measured in _measured(models, pairs, request, programs):
    sequences.append(batch.sequence)
    for name in models:
      parts[name].append(findings.values(measured[name], batch))
    for row in range(len(batch.search)):
      if first + row < request.shown:
        by_tracker = {name: _row(measured[name], row) for name in models}
        shown[first + row] = _row(batch, row), by_tracker
  values = {name: findings.join(each) for name, each in parts.items()}
  return values, Sampling(np.concatenate(sequences)), shown


def _measured(
  models: Mapping[str, Model],
  pairs: Pairs,
  request: Request,
  programs: Programs,
) -> Iterator[tuple[int, Pair, dict[str, Measured]]]:
  """Yields the pairs in batches, with their measures by each tracker.

  Yields:
    The number of the first pair, the pairs, and the measures as NumPy arrays.
    Copies that fill up the last batch are removed.
  """
  with Progress('analyze', request.pairs, 'pairs', clock=programs.clock) as bar:
    done = 0
    for batch in reading.batches(pairs, request.pairs, request.batch_size):
      waiting = {}
      for name, model in models.items():
        args = (model.variables, *_templates_of(model, batch)[:5])
        shapes = (request.batch_size, *batch.template)
        program = programs.get(
          measure.measure, (model.tracker,), model.precision, shapes, *args
        )
        waiting[name] = program(*args)
      count = min(request.batch_size, request.pairs - done)
      both = batch, jax.device_get(waiting)
      batch, measured = jax.tree.map(lambda x, end=count: x[:end], both)
      _check_finite(measured, done)
      yield done, batch, measured
      done += count
      bar.update(done)


def _templates_of(model: Model, batch: Pair) -> Pair:
  """Leaves out the template `SIZE` for a network that ignores the size."""
  if measure.has_prior(model.tracker):
    return batch
  template, size = (
    {kind: x for kind, x in each.items() if kind != reading.SIZE}
    for each in (batch.template, batch.box_size)
  )
  return batch._replace(template=template, box_size=size)


def _check_finite(measured: Mapping[str, Measured], first: int) -> None:
  """Refuses a tracker whose network does not compute finite numbers."""
  for name, each in measured.items():
    if bad := np.count_nonzero(~each.finite):
      raise ValueError(
        f'`checkpoint`: the responses or outputs of {name} are not finite '
        f'numbers for {bad} of the first {first + len(each.finite)} pairs; its '
        'weights have diverged or are damaged, so choose another checkpoint'
      )


def shared_geometry(models: Mapping[str, Model]) -> dict[str, Any]:
  """Returns the geometry of the trackers' crops and responses.

  Raises:
    ValueError: The trackers have different geometries, so that their responses
      to the same pairs cannot be compared; or a network has no fusion.
  """
  geometries = {name: _geometry(model) for name, model in models.items()}
  (first, geometry), *others = geometries.items()
  for second, other in others:
    differing = [name for name in geometry if geometry[name] != other[name]]
    if differing:
      texts = [
        ', '.join(f'{name}={each[name]}' for name in differing)
        for each in (geometry, other)
      ]
      raise ValueError(
        f'`checkpoint`: {first} has {texts[0]}, but {second} has {texts[1]}; '
        'trackers of different geometry cannot be compared side by side, so '
        'analyse each alone'
      )
  return geometry


def _geometry(model: Model) -> dict[str, Any]:
  tracker = model.tracker
  shapes = measure.response_shapes(tracker).values()
  return {
    'template_size': tracker.template_size,
    'search_size': tracker.search_size,
    'context_amount': tracker.context_amount,
    'stride': tracker.stride,
    'response_size': sorted({rows for rows, _, _ in shapes}),
  }


def _row(tree: Any, row: int) -> Any:
  """Copies a pair out of a batch, so that the batch can be freed."""
  return jax.tree.map(lambda x: x[row].copy(), tree)


def _about(
  models: Mapping[str, Model],
  pairs: Pairs,
  request: Request,
  geometry: Mapping[str, Any],
) -> dict[str, Any]:
  """Describes all that the findings depend on, as JSON values."""
  sets = zip(request.sets, pairs.fingerprints, strict=True)
  return {
    'definitions': response.VERSION,
    'sets': [
      {'name': Path(each.path).name, 'gap': each.gap, 'manifest': digest}
      for each, digest in sets
    ],
    'pairs': request.pairs,
    'batch_size': request.batch_size,
    'seed': request.seed,
    'geometry': geometry,
    'largest_offset': TRIAL_OFFSET,
    'background_beyond': response.GROWN,
    'ranks': response.RANKS,
    'checkpoints': {name: model.about() for name, model in models.items()},
  }


def _write(
  values: Mapping[str, Values],
  sampling: Sampling,
  about: Mapping[str, Any],
  out: Path,
) -> str:
  """Writes the tables and plots; returns the tables."""
  summaries = {
    name: findings.summary(each, sampling) for name, each in values.items()
  }
  differences = None
  if len(values) > 1:
    differences = findings.differences(*values.values(), sampling)
  text = report.write(about, summaries, differences, out)
  peaks = {name: each['peaks'] for name, each in summaries.items()}
  if any(peaks.values()):
    with extra(out / 'channels.png'):
      pictures.write_peaks(peaks, out / 'channels.png')
  with extra(out / 'distributions.png'):
    pictures.write_distributions(values, out / 'distributions.png')
  return text
