"""Readers of the folder layouts in which tracking benchmarks are published.

A reader takes the root folder of a benchmark and yields the sequences in it.
The docstring of a reader states whether pixel coordinates in the files are
0-based or 1-based; the reader returns 0-based coordinates in both cases.

Sources: the official layouts of OTB-100 (TPAMI 2015), VOT (votchallenge.net),
UAV123 (ECCV 2016), NfS (arXiv:1703.05884), TColor-128 (TIP 2015) and TinyTLP
(arXiv:1811.01508). The layouts of LaSOT, GOT-10k, TrackingNet and DAVIS are
described in `sources`, because trackers are also trained on these data sets.
"""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from acm_jax.datasets import nearby
from acm_jax.datasets.layouts import nfs, otb, tc128, tinytlp, trained, uav, vot
from acm_jax.datasets.sequences import Sequence


class NoSequence(ValueError):
  """The folder contains no sequence in the layout."""


def read(layout: str, root: Path) -> list[Sequence]:
  """Reads the sequences in a folder, sorted by name.

  Args:
    layout: Name of the folder layout, a key of `LAYOUTS`.
    root: Folder to which the benchmark was unpacked.

  Raises:
    FileNotFoundError: `root`, or a file that a sequence needs, is missing. If a
      folder above or below `root` has the layout, the message names it.
    NoSequence: `root` contains no sequence in this layout.
    ValueError: The layout is unknown, or an annotation is malformed.
  """
  if layout not in LAYOUTS:
    known = ', '.join(sorted(LAYOUTS))
    raise ValueError(f'unknown layout {layout!r}; choose one of {known}')
  if root.is_file():
    raise ValueError(
      f'{root}: a file, not a folder; give the folder of the benchmark, and '
      'unpack it if it is in an archive'
    )
  if not root.is_dir():
    raise FileNotFoundError(f'{root}: no such folder; check the path')
  try:
    found = sorted(LAYOUTS[layout](root), key=lambda sequence: sequence.name)
  except FileNotFoundError as error:
    if meant := _meant(layout, root):
      raise FileNotFoundError(f'{error}; {meant}') from None
    raise
  if not found:
    meant = _meant(layout, root) or 'give the root folder of the benchmark'
    raise NoSequence(f'{root}: no sequence in the layout {layout}; {meant}')
  return found


def _meant(layout: str, root: Path) -> str:
  """Returns advice to give another folder than `root`, or an empty text."""
  read, given = LAYOUTS[layout], root.resolve()

  def has_layout(folder: Path) -> bool:
    try:
      return any(True for _ in read(folder))
    except ValueError:
      # Only a sequence in this layout can be malformed.
      return True

  meant = nearby.find(root, has_layout)
  if meant is None:
    return ''
  found = []
  with contextlib.suppress(OSError, ValueError):
    for sequence in read(meant):
      found.append(sequence)
  # If one sequence was given, the advice names that one.
  inside = [s for s in found if s.frame_paths[0].is_relative_to(given)]
  examples = [f', such as {s.name}' for s in (*inside, *found)] or ['']
  return f'{meant} has sequences in this layout{examples[0]}: give that folder'


LAYOUTS: dict[str, Callable[[Path], Iterator[Sequence]]] = {
  'otb': otb.otb,
  'vot': vot.vot,
  'uav123': uav.uav123,
  'uav20l': uav.uav20l,
  'uav123_10fps': uav.uav123_10fps,
  'nfs30': nfs.nfs30,
  'nfs240': nfs.nfs240,
  'tc128': tc128.tc128,
  'tinytlp': tinytlp.tinytlp,
  'lasot': trained.lasot,
  'got10k_val': trained.got10k_val,
  'got10k_test': trained.got10k_test,
  'trackingnet': trained.trackingnet,
  'davis': trained.davis,
  'folder': trained.of_source('folder'),
}
