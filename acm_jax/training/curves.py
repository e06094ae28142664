"""Plots the metrics of a run as curves."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from acm_jax.host import figures
from acm_jax.training import metrics
from acm_jax.training.checkpoints import CRITERION

FILE = 'curves.png'
# Largest number of points of a curve that is not averaged, and of a curve whose
# points are marked.
_MOST_POINTS, _MOST_MARKERS = 200, 20
Rows = Sequence[metrics.Row]


def write(workdir: Path) -> None:
  """Plots metrics.jsonl as curves.png: losses, validation and learning rate.

  Metrics that the run does not have are left out. Writes no file if the run has
  no metrics.

  Args:
    workdir: Folder of the run.

  Raises:
    OSError: The metrics cannot be read, or the file cannot be written.
  """
  rows = metrics.read(workdir)
  names = {name for row in rows for name in row}
  panels = [panel for panel in _PANELS if panel.needs in names]
  if not panels:
    return
  heights = [panel.height for panel in panels]
  figure = figures.make(8.0, 1 + sum(heights))
  column = figure.subplots(
    len(panels), sharex=True, squeeze=False, height_ratios=heights
  )[:, 0]
  for axes, panel in zip(column, panels, strict=True):
    panel.draw(rows, axes)
    axes.set_ylabel(panel.label)
    figures.plain(axes)
  column[-1].set_xlabel('Step')
  column[-1].xaxis.set_major_formatter('{x:,.0f}')
  figure.suptitle(workdir.resolve().name, x=0.01, ha='left', fontsize=11)
  figure.align_ylabels()
  figures.save(figure, workdir / FILE)


def _losses(rows: Rows, axes: Any) -> None:
  """Plots losses; those of a long run are averaged, and all values are pale."""
  names = dict.fromkeys(x for row in rows for x in row if x.startswith('loss'))
  for i, name in enumerate(names):
    steps, values = _curve(rows, name)
    color = figures.COLORS[i % len(figures.COLORS)]
    if len(steps) > _MOST_POINTS:
      axes.plot(steps, values, color=color, linewidth=0.6, alpha=0.3)
      steps, values = _mean(steps), _mean(values)
    axes.plot(
      steps,
      values,
      marker=_marker(steps),
      markersize=4,
      color=color,
      linestyle=figures.LINES[i // len(figures.COLORS) % len(figures.LINES)],
      linewidth=2.2 if name == 'loss' else 1.4,
      label=name.removeprefix('loss_').replace('_', ' '),
    )
  _legend(axes)


def _overlap(rows: Rows, axes: Any) -> None:
  """Plots the validation overlap and marks the highest."""
  steps, values = _curve(rows, CRITERION)
  axes.plot(steps, values, marker='o', markersize=4, color=figures.COLORS[0])
  top = int(np.nanargmax(values))
  axes.plot(
    steps[top],
    values[top],
    marker='o',
    markersize=8,
    linestyle='none',
    color=figures.COLORS[1],
    label=f'highest: {values[top]:.3f} at step {steps[top]:,.0f}',
  )
  _legend(axes)


def _rate(rows: Rows, axes: Any) -> None:
  """Plots the learning rate, which is constant within an epoch."""
  steps, values = _curve(rows, 'rate')
  axes.plot(
    steps,
    values,
    drawstyle='steps-pre',
    marker=_marker(steps),
    markersize=4,
    color=figures.COLORS[0],
  )
  axes.set_yscale('log')


def _legend(axes: Any) -> None:
  """Puts a legend in one row above axes, where it hides no curve."""
  axes.legend(
    loc='lower right',
    bbox_to_anchor=(1, 1),
    ncols=len(axes.get_legend_handles_labels()[1]),
    fontsize=9,
    frameon=False,
  )


def _curve(
  rows: Rows, name: str
) -> tuple[Float[np.ndarray, 'n'], Float[np.ndarray, 'n']]:
  """Returns the steps at which a metric was written, and its values."""
  points = [(row['step'], row[name]) for row in rows if name in row]
  # None, for a number that is not finite, becomes NaN.
  return tuple(np.array(points, float).T)


def _mean(values: Float[np.ndarray, 'n']) -> Float[np.ndarray, 'm']:
  """Returns the means over successive parts; NaN where all values are NaN."""
  parts = np.array_split(values, _MOST_POINTS)
  known = [part[np.isfinite(part)] for part in parts]
  return np.array([part.mean() if part.size else np.nan for part in known])


def _marker(steps: Float[np.ndarray, 'n']) -> str | None:
  """Returns a marker for few points, since a single one makes no line."""
  return 'o' if len(steps) <= _MOST_MARKERS else None


class _Panel(NamedTuple):
  """Part of the figure.

  Attributes:
    label: Label of the vertical axis.
    needs: Metric without which the panel is left out.
    height: Height, inches.
    draw: Function that plots rows of metrics.jsonl on axes.
  """

  label: str
  needs: str
  height: float
  draw: Callable[[Rows, Any], None]


_PANELS = (
  _Panel('Loss', 'loss', 3.2, _losses),
  _Panel('Validation overlap', CRITERION, 1.8, _overlap),
  _Panel('Learning rate', 'rate', 1.6, _rate),
)
