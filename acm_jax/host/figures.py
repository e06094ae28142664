"""Figures of Matplotlib in one style, as PNG files."""

import warnings
from pathlib import Path
from typing import Any

from acm_jax.host.staging import replacing

# Okabe and Ito's colours, which colour-blind readers can distinguish. Once all
# colours are used, they repeat with the next line style.
COLORS = (
  '#0072b2',
  '#d55e00',
  '#009e73',
  '#cc79a7',
  '#e69f00',
  '#56b4e9',
  '#000000',
)
LINES = ('-', '--', ':', '-.')


def make(width: float, height: float) -> Any:
  """Creates an empty Matplotlib figure; width and height are in inches."""
  # Importing Matplotlib takes as long as everything else in many commands,
  # so it is only imported for plots.
  from matplotlib.backends.backend_agg import FigureCanvasAgg
  from matplotlib.figure import Figure

  figure = Figure(figsize=(width, height), dpi=150, layout='constrained')
  FigureCanvasAgg(figure)
  return figure


def plain(axes: Any) -> None:
  """Gives axes a light grid, and no frame at the top and on the right."""
  axes.grid(color='0.9', linewidth=0.8)
  for side in {'top', 'right'} & set(axes.spines):
    axes.spines[side].set_visible(False)


def save(figure: Any, path: Path) -> None:
  """Writes a figure as a PNG file, replacing an existing file."""
  from matplotlib.text import Text

  # The name of a folder may have bytes that are no character; matplotlib raises
  # an error for these.
  for text in figure.findobj(Text):
    text.set_text(text.get_text().encode('utf-8', 'replace').decode('utf-8'))
  with replacing(path) as temporary, warnings.catch_warnings():
    # A letter that the font lacks is drawn as a box.
    warnings.filterwarnings('ignore', 'Glyph')
    figure.savefig(temporary, format='png')
