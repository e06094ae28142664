"""Notebooks run from top to bottom and are stored without outputs.

`.ci/notebooks` runs the tests with the marker `notebooks`.
"""

import json
import os
from pathlib import Path

import nbformat
import pytest

from colab import execute, published
from tests import formulas
from tests.xla_flags import FAST_COMPILE

notebooks = pytest.mark.parametrize(
  'path', execute.NOTEBOOKS.values(), ids=execute.NOTEBOOKS
)
# Metadata of a notebook that are the same on all machines.
METADATA = {'accelerator', 'colab', 'kernelspec', 'language_info'}
# Least number of pictures and videos in a notebook.
PICTURES = {
  'acm_explained': 3,
  'evaluate': 3,
  'fine_tune': 5,
  'pytorch_weights': 1,
  'train_and_track': 6,
}


def code_cells(notebook):
  return [cell for cell in notebook.cells if cell.cell_type == 'code']


@notebooks
def test_a_notebook_is_stored_without_outputs(path):
  for cell in code_cells(nbformat.read(path, as_version=4)):
    assert not cell.outputs
    assert cell.execution_count is None


@notebooks
def test_a_notebook_is_stored_without_local_metadata(path):
  notebook = nbformat.read(path, as_version=4)
  assert set(notebook.metadata) == METADATA
  assert notebook.metadata.language_info == {'name': 'python'}
  assert not any(cell.metadata for cell in notebook.cells)


def test_all_notebooks_install_the_package_by_the_same_cell():
  first = {
    code_cells(nbformat.read(path, as_version=4))[0].source
    for path in execute.NOTEBOOKS.values()
  }
  assert len(first) == 1


@pytest.mark.notebooks
@notebooks
def test_a_notebook_runs_from_top_to_bottom(path, tmp_path):
  folder = tmp_path / path.stem
  folder.mkdir()
  # Notebooks do not run on the eight devices of the tests.
  environment = {**os.environ, 'XLA_FLAGS': FAST_COMPILE}
  notebook = execute.execute(path, folder, environment)
  out = Path(os.environ.get('NOTEBOOKS_OUT', tmp_path))
  execute.write_copy(notebook, out / path.name)
  cells = code_cells(notebook)
  counts = [cell.execution_count for cell in cells]
  assert counts == list(range(1, len(cells) + 1))
  outputs = [output for cell in cells for output in cell.outputs]
  printed = [o.text for o in outputs if o.get('name') == 'stderr']
  assert not printed, 'warnings'
  kinds = [kind for o in outputs for kind in o.get('data', {})]
  pictures = [k for k in kinds if k in ('image/png', 'text/html')]
  assert len(pictures) >= PICTURES[path.stem]


def test_the_error_about_a_cell_that_fails_says_which_and_why(tmp_path):
  path = tmp_path / 'broken.ipynb'
  sources = 'boxes = 3', "raise ValueError('no such video')", 'boxes'
  cells = list(map(nbformat.v4.new_code_cell, sources))
  nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
  message = r'broken\.ipynb, cell 2: ValueError: no such video'
  with pytest.raises(RuntimeError, match=message):
    execute.execute(path, tmp_path)


def test_a_copy_says_what_was_executed_and_links_to_its_new_place(tmp_path):
  title = nbformat.v4.new_markdown_cell('# Title\n\nText.')
  link = nbformat.v4.new_markdown_cell('[Data](../docs/data.md)')
  notebook = nbformat.v4.new_notebook(cells=[title, link])
  path = tmp_path / 'notebooks' / 'pytorch_weights.ipynb'
  execute.write_copy(notebook, path)
  first, second = nbformat.read(path, as_version=4).cells
  heading, note, text = first.source.split('\n\n')
  assert (heading, text) == ('# Title', 'Text.')
  assert 'quick run' in note
  assert published.NOTE in note
  assert second.source == '[Data](../data.md)'
  assert title.source == '# Title\n\nText.'


def test_the_stand_in_has_the_names_and_shapes_of_the_official_weights():
  official = formulas.REFERENCE / 'nanotrack_v3.keys.json'
  wanted = {
    key: tuple(shape)
    for key, shape in json.loads(official.read_text())['keys']
    # The official network never uses its neck.
    if not key.startswith('neck.') and not key.endswith('num_batches_tracked')
  }
  found = {key: x.shape for key, x in published.state_dict().items()}
  assert found == wanted
