"""Fixtures of a small composed set, which tests must not change."""

import pytest

from data_pipelines.composed import library_writer, plan
from data_pipelines.composed.cast import Cast
from data_pipelines.composed.composed_set import ComposedSet
from data_pipelines.composed.library import Library
from data_pipelines.composed.library_writer import Sources
from tests.data_pipelines.composed import sources
from tests.data_pipelines.composed.small_set import FRAMES, SETTINGS


@pytest.fixture(scope='session')
def originals(tmp_path_factory):
  """Photographs with outlines and videos with masks."""
  root = tmp_path_factory.mktemp('originals')
  return Sources(
    sources.photographs(root / 'coco'),
    sources.videos(root / 'davis'),
    exclude=('left_out',),
  )


@pytest.fixture(scope='session')
def folder(originals, tmp_path_factory):
  """Folder of the composed set."""
  out = tmp_path_factory.mktemp('sets') / 'composed'
  library_writer.write(out, originals, SETTINGS)
  return out


@pytest.fixture(scope='session')
def composed(folder):
  """The opened composed set."""
  return ComposedSet(folder)


@pytest.fixture(scope='session')
def library(folder):
  """The library of the composed set."""
  return Library(folder)


@pytest.fixture(scope='session')
def plans(library):
  """Plans of all sequences of the composed set."""
  cast = Cast(library)
  return [
    plan.make(library, cast, SETTINGS.seed, number, FRAMES)
    for number in range(SETTINGS.sequences)
  ]
