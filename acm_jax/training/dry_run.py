"""Describes a training run without starting it."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
from jax.sharding import Mesh

from acm_jax.training import expressions, sharding
from acm_jax.training.fit import jit_step
from acm_jax.training.plan import Plan
from acm_jax.training.schedule import Phase
from data_pipelines.mixture import Mixture

_UNKNOWN = 'unknown'
Row = Sequence[str]


def describe(
  plan: Plan,
  sections: Mapping[str, Any],
  mesh: Mesh,
  workdir: Path,
  *,
  step: int | None,
  mixture: Mixture | None,
  missing: Sequence[str] = (),
) -> str:
  """Compiles the steps of a plan and describes the run, as several tables.

  Only shapes are needed: no weights are created and no file is written.

  Args:
    plan: Plan of the run.
    sections: Sections of the config that the plan was made from.
    mesh: Mesh of the devices to train on.
    workdir: Folder of the run, which need not exist.
    step: Step of the newest checkpoint in `workdir`, if any.
    mixture: Data sets of the run; None if some are missing.
    missing: Names of the missing data sets.
  """
  tables = (
    _run_rows(plan, sections, mesh, workdir, step),
    _read_rows(plan, sections['data'], mixture, missing),
    _parameter_rows(plan, mesh),
    _step_rows(plan, mesh),
  )
  return '\n\n'.join(map(_aligned, tables)) + f'\n\n{_REMARK}'


def _phases(plan: Plan) -> dict[Phase, range]:
  """Returns the phases that the run reaches, with their epochs."""
  starts = [phase.from_epoch for phase in plan.phases] + [plan.train.epochs]
  epochs = (
    range(start, min(end, plan.train.epochs))
    for start, end in itertools.pairwise(starts)
  )
  phases = zip(plan.phases, epochs, strict=True)
  return {phase: each for phase, each in phases if each}


def _run_rows(
  plan: Plan,
  sections: Mapping[str, Any],
  mesh: Mesh,
  workdir: Path,
  step: int | None,
) -> Iterator[Row]:
  train, saving = plan.train, plan.saving
  options = sections['tracker']
  about = [options['name']]
  about += [
    f'{key} {options[key]}'
    for key in ('backbone', 'fusion', 'dtype')
    if options.get(key)
  ]
  yield 'tracker', ', '.join(about)
  template, search = plan.crop_sides.values()
  yield (
    'crops',
    f'template {plan.tracker.template_size} px, search {plan.search_size} px; '
    f'{template} px and {search} px before augmentation',
  )
  begins = 'a new run' if step is None else f'resumes at step {step:,}'
  yield 'folder', f'{workdir} ({begins})'
  kind = mesh.devices.flat[0].device_kind
  axes = ', '.join(f'{name}={size}' for name, size in mesh.shape.items())
  yield 'devices', f'{mesh.size} ({kind}); mesh {axes}'
  yield (
    'batch',
    f'{train.batch_size:,} pairs, {train.batch_size // mesh.size:,} on each '
    'device',
  )
  yield (
    'steps',
    f'{plan.total_steps:,} = {train.epochs} epochs of '
    f'{train.steps_per_epoch:,} steps',
  )
  state = jax.tree.leaves(plan.state_shapes(plan.phases[-1]))
  size = sum(math.prod(x.shape) * x.dtype.itemsize for x in state)
  yield (
    'checkpoints',
    f'every {saving.every:,} steps and at the end, {_scaled(size, "B")} each; '
    f'the newest {saving.keep} are kept'
    + (' and the best' if plan.validation else ''),
  )
  if plan.validation:
    yield (
      'validation',
      f'{len(plan.validation.sequences)} sequences of '
      f'{plan.validation.benchmark}, at the start and at every checkpoint',
    )


def _read_rows(
  plan: Plan,
  arguments: Mapping[str, Any],
  mixture: Mixture | None,
  missing: Sequence[str],
) -> Iterator[Row]:
  # A pair consists of two crops.
  crops = 2 * plan.train.batch_size
  yield (
    'data reads',
    f'{crops:,} crops a step, {crops * plan.total_steps:,} in all',
  )
  if mixture is None:
    names = ', '.join(missing)
    yield 'bytes', f'{_UNKNOWN}; data sets that do not exist yet: {names}'
  elif arguments.get('source') == 'memory' and not arguments.get('workers'):
    stored = _scaled(mixture.stored_bytes, 'B')
    yield 'bytes', f'{stored} in all, read once and kept in memory'
  else:
    size = crops * mixture.crop_bytes
    yield (
      'bytes',
      f'about {_scaled(size, "B")} a step, '
      f'{_scaled(size * plan.total_steps, "B")} in all',
    )


def _parameter_rows(plan: Plan, mesh: Mesh) -> Iterator[Row]:
  """Yields a row for each module at the top of the network, and their sum."""
  phases = list(_phases(plan))
  trains = [f'train in {phase.name}' for phase in phases]
  yield 'parameters', 'number', *trains, 'on a device', 'split arrays'
  params = plan.placed_shapes(phases[0], mesh).params
  modes = [phase.mode(params) for phase in phases]
  modules: dict[str, list[list[int]]] = {}
  for path, leaf in expressions.named(params):
    names, count = path.split('/'), leaf.size
    local = math.prod(leaf.sharding.shard_shape(leaf.shape))
    trained = [count * mode.trains(names) for mode in modes]
    numbers = [count, *trained, local, local < count, 1]
    modules.setdefault(names[0], []).append(numbers)
  modules['total'] = [row for rows in modules.values() for row in rows]
  for name, rows in modules.items():
    *numbers, split, arrays = map(sum, zip(*rows, strict=True))
    yield name, *(f'{each:,}' for each in numbers), f'{split} of {arrays}'


_COSTS = ('FLOPs', 'arguments', 'outputs', 'reused', 'temporary', 'memory')
_REMARK = (
  'FLOPs and memory: of the compiled program, on one device; memory = '
  'arguments + outputs - reused + temporary.'
)


def _step_rows(plan: Plan, mesh: Mesh) -> Iterator[Row]:
  """Yields a row for the step of each phase."""
  yield 'step of', 'epochs', *_COSTS
  for phase, epochs in _phases(plan).items():
    costs = _costs(plan, phase, mesh)
    yield phase.name, f'{epochs[0]}-{epochs[-1]}', *costs


def _costs(plan: Plan, phase: Phase, mesh: Mesh) -> list[str]:
  """Compiles the step of a phase; returns its costs, as in `_COSTS`."""
  everywhere = sharding.replicated(mesh)
  key, teacher = sharding.placed(plan.key, everywhere), None
  if plan.teacher:
    teacher = sharding.placed(plan.teacher.model.variables, everywhere)
  compiled = (
    jit_step(plan, phase, mesh)
    .lower(
      plan.placed_shapes(phase, mesh),
      sharding.placed(plan.batch_shapes(), sharding.split(mesh)),
      key,
      teacher,
    )
    .compile()
  )
  # Not every platform reports costs.
  flops = (compiled.cost_analysis() or {}).get('flops')
  memory = compiled.memory_analysis()
  shown = [_UNKNOWN if flops is None else _scaled(flops, 'FLOP')]
  if memory is None:
    return shown + [_UNKNOWN] * (len(_COSTS) - 1)
  arguments, outputs, reused, temporary = (
    memory.argument_size_in_bytes,
    memory.output_size_in_bytes,
    memory.alias_size_in_bytes,
    memory.temp_size_in_bytes,
  )
  whole = arguments + outputs - reused + temporary
  sizes = arguments, outputs, reused, temporary, whole
  return shown + [_scaled(size, 'B') for size in sizes]


def _scaled(value: int | float, unit: str) -> str:
  """Formats a value with three digits and an SI prefix, such as 1.23 GB."""
  for prefix in ('', 'k', 'M', 'G', 'T'):
    if value < 999.5:
      return f'{value:.3g} {prefix}{unit}'
    value /= 1000
  return f'{value:,.0f} P{unit}'


def _aligned(rows: Iterator[Row]) -> str:
  """Aligns the columns of a table: text to the left, numbers to the right.

  Columns hold numbers, except the first one, and the second one of two.
  """
  columns = list(zip(*rows, strict=True))
  padded = []
  for index, cells in enumerate(columns):
    is_text = index == 0 or len(columns) == 2
    pad = str.ljust if is_text else str.rjust
    width = max(map(len, cells))
    padded.append([pad(cell, width) for cell in cells])
  return '\n'.join('  '.join(row).rstrip() for row in zip(*padded, strict=True))
