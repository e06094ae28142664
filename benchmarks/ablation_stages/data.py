"""Data of the comparison: what each fold trains on, and what it holds out.

Every fifth photograph is held out of all training. The sequences that are
composed of these photographs measure every run. The videos with masks are
divided into `FOLDS` folds; a run holds out the videos of its fold, and only
these measure it.

Composed sequences are rendered once and prepared as clips, because rendering
takes longer than a training step on the same core.
"""

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from acm_jax.datasets import image_names
from acm_jax.datasets.sources import coco, davis
from acm_jax.datasets.trees import open_tree
from acm_jax.host import text_files
from acm_jax.host.staging import replacing
from data_pipelines import preparation, rendered
from data_pipelines.composed import library_writer
from data_pipelines.composed.composed_set import ComposedSet
from data_pipelines.composed.library import Library
from data_pipelines.composed.library_writer import Settings, Sources

# As many as seeds, so that each video measures one run of every form.
FOLDS = 3
# Fraction of the photographs that is held out, as the distance between them.
_EVERY = 5
# Large enough for the shifts of the search crops.
_CROP_SIZE = 431
_TARGETS = 'targets.json'
_TRAINING = Settings(sequences=1200, longest=320, quality=78)
_MEASURING = Settings(sequences=300, seed=1)


@dataclasses.dataclass(frozen=True)
class Data:
  """Folders of the comparison.

  Attributes:
    folder: Folder to write to.
    photographs: Images and polygons in the layout of COCO.
    masks: Videos and masks in the layout of DAVIS.
    backgrounds: Folders of further photographs.
    training: Settings of the composed sequences to train on.
    measuring: Settings of the composed sequences that measure every run.
  """

  folder: Path
  photographs: Path
  masks: Path
  backgrounds: tuple[Path, ...] = ()
  training: Settings = _TRAINING
  measuring: Settings = _MEASURING

  @property
  def sequences(self) -> Path:
    """Sequences composed of the held-out photographs, in layout `folder`."""
    return self.folder / 'sequences'

  def fold(self, number: int) -> Path:
    """Returns the folder of the prepared data sets of a fold."""
    return self.folder / f'fold{number}'

  def held_out_videos(self, number: int) -> list[str]:
    """Returns the names of the videos that a fold holds out."""
    return self._videos()[number::FOLDS]

  def contents(self) -> dict[str, Any]:
    """Returns what the data depend on: the names of all sources."""
    return {'photographs': self._photographs(), 'videos': self._videos()}

  def write(self, folds: Iterable[int]) -> None:
    """Writes the sequences and the data sets that do not exist yet.

    Args:
      folds: Numbers of the folds.

    Raises:
      OSError: A source is missing, or a file cannot be written.
      ValueError: A source is damaged.
    """
    held_out = tuple(self._photographs()[::_EVERY])
    sources = Sources(
      self.photographs, backgrounds=self.backgrounds, only=held_out
    )
    _render(self.sequences, sources, self.measuring)
    with replacing(self.folder / _TARGETS) as path:
      text_files.write(path, json.dumps(_targets(self.sequences)))
    for number in folds:
      videos, folder = self.held_out_videos(number), self.fold(number)
      sources = Sources(
        self.photographs,
        self.masks,
        self.backgrounds,
        exclude=(*held_out, *videos),
      )
      sequences = self.folder / f'sequences{number}'
      _render(sequences, sources, self.training)
      _prepare(folder / 'composed', 'folder', sequences, [])
      _prepare(folder / 'davis', 'davis', self.masks, videos)

  def _photographs(self) -> list[str]:
    annotated = coco.annotated(open_tree(self.photographs))
    names = {Path(path).name for path, _ in annotated}
    for folder in self.backgrounds:
      names |= {path.name for path in image_names.photographs(folder, '*')}
    return sorted(names)

  def _videos(self) -> list[str]:
    return sorted(unit.name for unit in davis.units(open_tree(self.masks)))


def fold_of(seed: int) -> int:
  """Returns the number of the fold whose videos a seed's runs hold out."""
  return seed % FOLDS


def targets(folder: Path) -> dict[str, str]:
  """Returns the object that each composed sequence shows.

  Args:
    folder: Folder of the data.
  """
  return json.loads((folder / _TARGETS).read_text(encoding='utf-8'))


def _composed(sequences: Path) -> Path:
  return sequences.with_name(f'{sequences.name}_composed')


def _targets(sequences: Path) -> dict[str, str]:
  composed = ComposedSet(_composed(sequences))
  names = Library(_composed(sequences)).object_name
  shown = zip(composed.track_name, composed.track_objects[:, 0], strict=True)
  return {str(track): str(names[target]) for track, target in shown}


def _render(out: Path, sources: Sources, settings: Settings) -> None:
  """Writes composed sequences in the layout `folder`, unless they exist."""
  composed = _composed(out)
  if not composed.exists():
    library_writer.write(composed, sources, settings)
  if not out.exists():
    rendered.write(out, composed)


def _prepare(
  out: Path, data_set: str, source: Path, exclude: Iterable[str]
) -> None:
  """Prepares a clip set, unless it exists."""
  if not out.exists():
    out.parent.mkdir(parents=True, exist_ok=True)
    cut = preparation.Cut(stride=1, crop_size=_CROP_SIZE)
    job = preparation.Job(data_set, str(source), cut)
    preparation.prepare(job, out, preparation.processes(), exclude)
