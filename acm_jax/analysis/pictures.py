"""Plots of the findings, and heat maps of chosen pairs."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from acm_jax.analysis import response
from acm_jax.analysis.estimates import Estimate
from acm_jax.analysis.findings import CENTERED, WRONG, Values
from acm_jax.analysis.measure import Found, Measured
from acm_jax.analysis.pairs import OTHER, RIGHT, SAME_CLASS, Pair
from acm_jax.geometry import boxes
from acm_jax.host import figures

_TRUTH, _FOUND = 'white', figures.COLORS[5]
# Measures whose distributions are plotted.
_MEASURES = {
  'centered_cosine': 'Centred cosine of target and distractor',
  'distractor_heat': 'Heat of distractor / heat of target',
  'energy_inside': 'Energy at the target',
  'best_overlap': 'Best-threshold overlap',
}


def write_peaks(
  peaks: Mapping[str, Mapping[str, Sequence[Estimate]]], path: Path
) -> None:
  """Plots the maxima of all channels against the global maximum.

  Args:
    peaks: Means of the channels' maxima, one for each of `response.RANKS`; keys
      are names of trackers, then paths of fusions. Bands show the intervals.
    path: PNG file to write.
  """
  figure = figures.make(7.6, 4.2)
  axes = figure.subplots()
  for i, (name, fusions) in enumerate(peaks.items()):
    for j, (fusion, ratios) in enumerate(fusions.items()):
      style = {'color': _color(j), 'linestyle': figures.LINES[i]}
      mean, low, high, *_ = zip(*ratios, strict=True)
      axes.plot(response.RANKS, mean, label=f'{name} {fusion}', **style)
      band = {'color': _color(j), 'alpha': 0.15, 'linewidth': 0}
      axes.fill_between(response.RANKS, low, high, **band)
  axes.set(xlim=(0, 1), ylim=(0, 1), ylabel='Maximum / global maximum')
  axes.set_xlabel('Fraction of channels with a lower maximum')
  figures.plain(axes)
  figure.legend(loc='outside right upper', fontsize=9, frameon=False)
  figures.save(figure, path)


def write_distributions(values: Mapping[str, Values], path: Path) -> None:
  """Plots the cumulative distributions of measures over all pairs.

  Args:
    values: Measures of each tracker.
    path: PNG file to write.
  """
  figure = figures.make(12.0, 6.4)
  panels = figure.subplots(2, 3).ravel()
  for i, (name, each) in enumerate(values.items()):
    line = figures.LINES[i]
    for j, (fusion, measures) in enumerate(each.responses.items()):
      for axes, key in zip(panels, _MEASURES, strict=False):
        _cumulate(axes, measures[key], _color(j), line, f'{name} {fusion}')
    # The curve of `SIZE` is almost that of `RIGHT`.
    for j, kind in enumerate((RIGHT, OTHER, SAME_CLASS)):
      text = WRONG.get(kind, 'right target')
      color = _color(len(figures.COLORS) - 1 - j)
      for axes, key in zip(panels[-2:], ('iou', 'score'), strict=True):
        if kind in each.templates:
          x = each.templates[kind][key]
          _cumulate(axes, x, color, line, f'{name}, {text}')
  # The centred box is the same for all trackers.
  x = next(iter(values.values())).templates[CENTERED]['iou']
  _cumulate(panels[4], x, figures.COLORS[3], figures.LINES[0], WRONG[CENTERED])
  titles = [*_MEASURES.values(), 'IoU by template', 'Score by template']
  for axes, title in zip(panels, titles, strict=True):
    axes.set(ylim=(0, 1), xlabel=title)
    axes.locator_params(axis='x', nbins=6)
    figures.plain(axes)
  for axes in figure.axes[::3]:
    axes.set_ylabel('Fraction of pairs below')
  lines = panels[3].get_lines() + panels[4].get_lines()
  figure.legend(
    handles=lines,
    loc='outside lower center',
    ncols=3,
    fontsize=9,
    frameon=False,
  )
  figures.save(figure, path)


def _cumulate(axes, x: Float[np.ndarray, 'n'], color, line, label):
  x = np.sort(x[~np.isnan(x)])
  height = np.arange(1, len(x) + 1) / max(len(x), 1)
  style = {'color': color, 'linestyle': line, 'linewidth': 1.4}
  axes.plot(x, height, label=label, **style)


def _color(index: int) -> str:
  return figures.COLORS[index % len(figures.COLORS)]


def write_heat(
  pair: Pair,
  measured: Mapping[str, Measured],
  stride: int,
  title: str,
  path: Path,
) -> None:
  """Draws the heat maps of a pair for the right and a wrong template.

  Each tracker has one row per template. The first image is the template, the
  second the search crop with the box of the target and the box that the tracker
  selects. One heat map per fusion follows, relative to its largest value; a
  circle marks the hottest cell at the target, a cross the hottest distractor,
  if there is one. (`response` defines these cells.)

  Args:
    pair: The pair.
    measured: Measures of the pair by each tracker, as NumPy arrays.
    stride: Distance between neighbouring cells of the responses, px.
    title: Title of the figure.
    path: PNG file to write.
  """
  kinds = [kind for kind in (RIGHT, OTHER) if pair.exists[kind]]
  rows = [(name, kind) for name in measured for kind in kinds]
  columns = 2 + max(len(each.statistics) for each in measured.values())
  figure = figures.make(2.3 * columns, 2.5 * len(rows) + 0.3)
  panels = figure.subplots(len(rows), columns, squeeze=False)
  for axes in panels.ravel():
    axes.set_axis_off()
  half = pair.search.shape[0] / 2
  extent = (-half, half, half, -half)
  for line, (name, kind) in zip(panels, rows, strict=True):
    found = measured[name].found[kind]
    which = 'right' if kind == RIGHT else 'wrong'
    line[0].imshow(pair.template[kind])
    line[0].set_title(f'{name}\n{which} template', fontsize=8)
    line[1].imshow(pair.search, extent=extent)
    _box(line[1], pair.truth, _TRUTH)
    _box(line[1], found.box_cxcywh, _FOUND)
    text = f'IoU {found.iou:.2f}, score {found.score:.2f}'
    line[1].set_title(text, fontsize=8)
    for axes, fusion in zip(line[2:], found.heat, strict=False):
      axes.imshow(pair.search.mean(axis=-1), 'gray', extent=extent, alpha=0.6)
      _heat(axes, found, fusion, stride, pair)
      text = fusion
      cosine = measured[name].statistics[fusion].centered_cosine
      if kind == RIGHT and not np.isnan(cosine):
        text += f'\ncentred cosine {cosine:.2f}'
      axes.set_title(text, fontsize=8)
      axes.set(xlim=(-half, half), ylim=(half, -half))
  figure.suptitle(title, x=0.01, ha='left', fontsize=10)
  figures.save(figure, path)


def _heat(axes, found: Found, fusion: str, stride: int, pair: Pair):
  hot = found.heat[fusion]
  size = len(hot)
  low, high = (np.array([0, size]) - size // 2 - 0.5) * stride
  axes.imshow(hot, 'inferno', extent=(low, high, high, low), alpha=0.75, vmin=0)
  _box(axes, pair.truth, _TRUTH)
  hot = jnp.asarray(hot)
  where = jnp.asarray(pair.truth), jnp.asarray(pair.picture)
  inside, outside = response.cells(size, stride, *where)
  masks = inside, response.distractors(hot, outside)
  for marker, mask in zip('ox', masks, strict=True):
    if mask.any():
      at = int(response.hottest(hot, mask))
      x, y = (np.array([at % size, at // size]) - size // 2) * stride
      axes.plot(x, y, marker, color=_TRUTH, fillstyle='none', markersize=7)


def _box(axes, box_cxcywh, color):
  x, y, w, h = boxes.cxcywh_to_xywh(np.asarray(box_cxcywh))
  corners = [x, x + w, x + w, x, x], [y, y, y + h, y + h, y]
  axes.plot(*corners, color=color, linewidth=1.5)
