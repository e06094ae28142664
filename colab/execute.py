"""Executes the notebooks in this folder, and writes copies with their outputs.

Each notebook runs from top to bottom, in a kernel and an empty folder of its
own, as a quick run ($ACM_QUICK is set). The copies belong in docs/notebooks,
from which the documentation is built.

Example:
  python -m colab.execute --out docs/notebooks
"""

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import nbclient
import nbformat
from absl import flags

from acm_jax.host import command
from acm_jax.host.staging import replacing
from colab import published

NOTEBOOKS = {
  path.stem: path for path in sorted(Path(__file__).parent.glob('*.ipynb'))
}
# Modules that write the files which a notebook expects from its reader.
_INPUTS = {'pytorch_weights': published}
_NOTE = (
  'These are the outputs of a quick run, which shows that every cell works. '
  'Small trainings and few clips do not show how good a tracker is.'
)


def execute(
  path: Path, folder: Path, environment: Mapping[str, str] = os.environ
) -> nbformat.NotebookNode:
  """Executes a notebook as a quick run.

  Args:
    path: Notebook.
    folder: Empty folder in which the notebook runs.
    environment: Environment variables of its kernel.

  Returns:
    The notebook with its outputs.

  Raises:
    RuntimeError: A cell fails, or the kernel dies.
  """
  if path.stem in _INPUTS:
    _INPUTS[path.stem].write(folder)
  notebook = nbformat.read(path, as_version=4)
  client = nbclient.NotebookClient(
    notebook, timeout=600, resources={'metadata': {'path': str(folder)}}
  )
  try:
    client.execute(env={**environment, 'ACM_QUICK': '1'})
  except nbclient.exceptions.CellExecutionError as error:
    executed = [cell.get('execution_count') or 0 for cell in notebook.cells]
    raise RuntimeError(
      f'{path.name}, cell {max(executed)}: {error.ename}: {error.evalue}'
    ) from error
  return notebook


def write_copy(notebook: nbformat.NotebookNode, path: Path) -> None:
  """Writes an executed notebook for the documentation.

  A note below the title says what was executed. Links are relative to a
  subfolder of docs/.

  Args:
    notebook: Notebook with outputs.
    path: File to write, with the name of the notebook.
  """
  copy = nbformat.from_dict(notebook)
  for cell in copy.cells:
    if cell.cell_type == 'markdown':
      cell.source = cell.source.replace('](../docs/', '](../')
  title, *rest = copy.cells[0].source.split('\n\n')
  notes = [_NOTE, _INPUTS[path.stem].NOTE] if path.stem in _INPUTS else [_NOTE]
  copy.cells[0].source = '\n\n'.join([title, f'*{" ".join(notes)}*', *rest])
  path.parent.mkdir(parents=True, exist_ok=True)
  with replacing(path) as partial:
    nbformat.write(copy, partial)


def define(values: flags.FlagValues) -> None:
  """Defines the command's flags on `values`."""
  on = {'flag_values': values}
  flags.DEFINE_string('out', None, 'Folder of the copies.', required=True, **on)
  text = 'Notebook to execute (default: all of them)'
  flags.DEFINE_multi_enum('notebook', None, list(NOTEBOOKS), text, **on)


def main(values: flags.FlagValues) -> None:
  """Executes the notebooks."""
  for name in values.notebook or NOTEBOOKS:
    with tempfile.TemporaryDirectory(prefix='acm_jax_notebook_') as folder:
      notebook = execute(NOTEBOOKS[name], Path(folder))
    path = Path(values.out) / NOTEBOOKS[name].name
    write_copy(notebook, path)
    print(path, flush=True)


if __name__ == '__main__':
  sys.exit(command.run(define, main, __doc__))
