"""Plots of scores, as PNG and CSV files."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from acm_jax.evaluation import tables
from acm_jax.evaluation.experiment import Curve, Points
from acm_jax.evaluation.outcome import Scores
from acm_jax.host import figures, text_files
from acm_jax.host.extras import extra
from acm_jax.host.staging import replacing

# Name, without suffix, of the files that `write_attributes` writes.
ATTRIBUTES = 'attributes'


def write(
  plots: Sequence[Curve | Points],
  scores: Mapping[str, Scores],
  heading: str,
  out: Path,
) -> None:
  """Writes a PNG and a CSV file for each plot.

  A plot with curves is skipped if the curve of any tracker is undefined. If a
  PNG file cannot be written, a warning says so.

  Args:
    plots: Plots to write.
    scores: Scores of each tracker; keys are names of trackers.
    heading: Description of what was scored, printed above each plot.
    out: Existing output folder.
  """
  for plot in plots:
    names = tables.ranked(
      {name: each.figures for name, each in scores.items()}, plot.rank
    )
    ranked = {name: scores[name] for name in names}
    if isinstance(plot, Points):
      _write_points(plot, ranked, heading, out)
    elif not any(np.isnan(s.curves[plot.name]).any() for s in scores.values()):
      _write_curve(plot, ranked, heading, out)


def _write_curve(plot, ranked, heading, out):
  curves = [each.curves[plot.name] for each in ranked.values()]
  rows = [
    (f'{threshold:.6g}', values)
    for threshold, *values in zip(plot.thresholds, *curves, strict=True)
  ]
  _tabulate(out / f'{plot.name}.csv', ['threshold', *ranked], rows)
  path = out / f'{plot.name}.png'
  with extra(path):
    figures.save(_curve_figure(plot, ranked, heading), path)


def write_attributes(
  success: Mapping[str, Mapping[str, float]], heading: str, out: Path
) -> None:
  """Writes one radar plot and one CSV file of the success on all attributes.

  If the plot cannot be written, a warning says so.

  Args:
    success: Success of each tracker on the sequences with an attribute. Keys
      are attributes, then trackers.
    heading: Description of what was scored, printed above the plot.
    out: Existing output folder.
  """
  names = list(next(iter(success.values())))
  rows = [
    (attribute, [values[name] for name in names])
    for attribute, values in success.items()
  ]
  _tabulate(out / f'{ATTRIBUTES}.csv', ['attribute', *names], rows)
  path = out / f'{ATTRIBUTES}.png'
  with extra(path):
    figures.save(_attributes_figure(success, names, heading), path)


def _attributes_figure(success, names, heading):
  figure = figures.make(9.6, 5.6)
  axes = figure.subplots(subplot_kw={'projection': 'polar'})
  angles = np.linspace(0, 2 * np.pi, len(success), endpoint=False)
  for i, name in enumerate(names):
    values = [each[name] for each in success.values()]
    axes.plot(
      np.append(angles, angles[:1]),
      [*values, values[0]],
      color=figures.COLORS[i % len(figures.COLORS)],
      linestyle=figures.LINES[i // len(figures.COLORS) % len(figures.LINES)],
      linewidth=1.8,
      label=name,
    )
  axes.set_xticks(angles, list(success))
  for label, cosine in zip(
    axes.get_xticklabels(), np.cos(angles).round(1), strict=True
  ):
    # A label is aligned so that it extends away from the circle.
    label.set_horizontalalignment(
      {-1: 'right', 0: 'center', 1: 'left'}[int(np.sign(cosine))]
    )
  # The radial axis does not begin at 0, so that small differences are visible.
  values = np.array([list(each.values()) for each in success.values()])
  if not np.isnan(values).all():
    low, high = np.nanmin(values), np.nanmax(values)
    axes.set_ylim(max(low - 0.1, 0), min(high + 0.02, 1))
  _finish(figure, axes, 'Success by attribute', heading)
  return figure


def write_search(
  values: Mapping[str, Sequence[float]],
  success: Sequence[float],
  given: int,
  heading: str,
  path: Path,
) -> None:
  """Writes a PNG file that plots success against each hyper-parameter.

  Args:
    values: Values of each hyper-parameter, one per candidate. A candidate is
      one setting of all hyper-parameters. The best candidate is first.
    success: Success of each candidate, in the same order.
    given: Index of the candidate that the search started from.
    heading: Description of the search, printed above the plot.
    path: Path of the file.
  """
  figure = figures.make(9.6, 4.2)
  (panels,) = figure.subplots(1, len(values), sharey=True, squeeze=False)
  for axes, (name, tried) in zip(panels, values.items(), strict=True):
    axes.plot(tried, success, 'o', color='0.6', markersize=4)
    for candidate, label, marker, color in (
      (given, 'given', 'D', figures.COLORS[2]),
      (0, 'best', 'o', figures.COLORS[1]),
    ):
      axes.plot(
        tried[candidate],
        success[candidate],
        marker,
        color=color,
        markersize=8,
        label=label if axes is panels[0] else None,
      )
    figures.plain(axes)
    axes.set_xlabel(name)
  panels[0].set_ylabel('Success')
  figure.suptitle(heading, x=0.01, ha='left', fontsize=11)
  figure.legend(loc='outside right upper', fontsize=9, frameon=False)
  figures.save(figure, path)


def _write_points(plot, ranked, heading, out):
  rows = [(name, each.figures.values()) for name, each in ranked.items()]
  head = ['tracker', *next(iter(ranked.values())).figures]
  _tabulate(out / f'{plot.name}.csv', head, rows)
  path = out / f'{plot.name}.png'
  with extra(path):
    figures.save(_points_figure(plot, ranked, heading), path)


def _points_figure(plot, ranked, heading):
  figure = figures.make(7.6, 4.6)
  axes = figure.subplots()
  for i, (name, each) in enumerate(ranked.items()):
    axes.plot(
      each[plot.x],
      each[plot.y],
      'osD^v'[i // len(figures.COLORS) % 5],
      color=figures.COLORS[i % len(figures.COLORS)],
      markersize=8,
      label=f'{each[plot.rank]:.3f}  {name}',
    )
  axes.margins(x=0.2)
  axes.set(xlabel=plot.x_label, ylabel=plot.y_label)
  axes.set(ylim=(0, 1), xlim=(0, None))
  _finish(figure, axes, plot.title, heading)
  return figure


def _curve_figure(plot, ranked, heading):
  figure = figures.make(7.6, 4.6)
  axes = figure.subplots()
  for i, (name, scores) in enumerate(ranked.items()):
    axes.plot(
      plot.thresholds,
      scores.curves[plot.name],
      color=figures.COLORS[i % len(figures.COLORS)],
      linestyle=figures.LINES[i // len(figures.COLORS) % len(figures.LINES)],
      linewidth=1.8,
      label=f'{scores[plot.rank]:.3f}  {name}',
      # Clipping would cut lines on the border of the axes in half.
      clip_on=False,
    )
  axes.set(
    xlabel=plot.axis,
    ylabel='Fraction of frames',
    xlim=(0, plot.thresholds[-1]),
    ylim=(0, 1),
  )
  _finish(figure, axes, plot.title, heading)
  return figure


def _finish(figure, axes, title, heading):
  axes.set_title(f'{title}\n{heading}', loc='left', fontsize=11)
  figures.plain(axes)
  figure.legend(loc='outside right upper', fontsize=9, frameon=False)


def _tabulate(path, head, rows):
  text = io.StringIO()
  table = csv.writer(text, lineterminator='\n')
  table.writerow(head)
  for name, values in rows:
    table.writerow([name, *(f'{value:.6g}' for value in values)])
  with replacing(path) as temporary:
    text_files.write(temporary, text.getvalue())
