"""Settings of a comparison, which all its runs share."""

import json
from pathlib import Path
from typing import Any

from acm_jax.host import text_files
from acm_jax.host.staging import replacing

_FILE = 'comparison.json'


def claim(folder: Path, settings: dict[str, Any]) -> None:
  """Writes the settings of a comparison, or checks that they are the same.

  Args:
    folder: Folder of the comparison, which need not exist.
    settings: What the results of all runs depend on.

  Raises:
    ValueError: The comparison in `folder` has other settings.
  """
  path = folder / _FILE
  if path.exists():
    before = read(folder)
    other = [name for name in settings if before.get(name) != settings[name]]
    if other:
      raise ValueError(
        f'{path}: the runs in this folder had another {" and ".join(other)}; '
        'give what they had, or choose another `out`'
      )
    return
  folder.mkdir(parents=True, exist_ok=True)
  with replacing(path) as partial:
    text_files.write(partial, json.dumps(settings, indent=2) + '\n')


def read(folder: Path) -> dict[str, Any]:
  """Reads the settings of the comparison in a folder.

  Raises:
    FileNotFoundError: There is no comparison.
  """
  path = folder / _FILE
  if not path.is_file():
    raise FileNotFoundError(f'{folder}: has no comparison; leave out `report`')
  return json.loads(path.read_text(encoding='utf-8'))
