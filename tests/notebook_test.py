"""Notebooks run from top to bottom and are stored without outputs.

`.ci/wheel` runs the slow test, with the installed wheel.
"""

from pathlib import Path

import nbclient
import nbformat
import pytest

from tests.xla_flags import FAST_COMPILE

COLAB = Path(__file__).parents[1] / 'colab'
notebooks = pytest.mark.parametrize(
  'path', sorted(COLAB.glob('*.ipynb')), ids=lambda path: path.stem
)


def code_cells(notebook):
  return [cell for cell in notebook.cells if cell.cell_type == 'code']


@notebooks
def test_a_notebook_is_stored_without_outputs(path):
  for cell in code_cells(nbformat.read(path, as_version=4)):
    assert not cell.outputs
    assert cell.execution_count is None


@pytest.mark.slow
@notebooks
def test_a_notebook_runs_from_top_to_bottom(path, tmp_path, monkeypatch):
  monkeypatch.setenv('ARG', 'quickstart,tiny')
  # Notebooks do not run on the eight devices of the tests.
  monkeypatch.setenv('XLA_FLAGS', FAST_COMPILE)
  notebook = nbformat.read(path, as_version=4)
  client = nbclient.NotebookClient(
    notebook, timeout=300, resources={'metadata': {'path': str(tmp_path)}}
  )
  client.execute()
  shown = [output for cell in code_cells(notebook) for output in cell.outputs]
  images = [o for o in shown if any('image' in m for m in o.get('data', {}))]
  assert len(images) == 3, 'loss curve, annotated video, sheet of results'
  for name in ('tracked/tracked.mp4', 'results/folder/scores.json'):
    assert (tmp_path / name).is_file()
