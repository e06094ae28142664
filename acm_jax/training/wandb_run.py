"""Sends the metrics of a run to Weights & Biases, if its config says so."""

import importlib.util
import secrets
from pathlib import Path

from acm_jax.host import text_files
from acm_jax.host.staging import replacing
from acm_jax.training import workdir as workdirs

# File with the name that Weights & Biases knows the run by.
_ID = 'wandb_id.txt'


def check(project: str) -> None:
  """Checks that the package wandb is installed if a project is named.

  Raises:
    RuntimeError: The package is not installed.
  """
  if project and importlib.util.find_spec('wandb') is None:
    raise RuntimeError(
      'config.log.wandb: wandb is not installed: run pip install '
      "'acm-jax[wandb]', or set log.wandb='' in the config to train without it"
    )


class WandbRun:
  """Run of Weights & Biases; a resumed training run continues it.

  Rows of repeated steps are shown twice, as in TensorBoard.
  """

  def __init__(self, workdir: Path, project: str):
    """Starts or continues the run.

    Args:
      workdir: Folder of the training run, with its config.json.
      project: Project of the run.

    Raises:
      RuntimeError: The run cannot be started, for example without a login.
    """
    import wandb

    path = workdir / _ID
    if not path.exists():
      with replacing(path) as partial:
        text_files.write(partial, secrets.token_hex(8))
    try:
      self._run = wandb.init(
        project=project,
        id=text_files.read(path).strip(),
        name=workdir.resolve().name,
        dir=workdir,
        config=workdirs.read_config(workdir),
        resume='allow',
        allow_val_change=True,
        # stdout and stderr stay those of the command.
        settings=wandb.Settings(console='off', silent=True),
      )
    except wandb.Error as error:
      raise RuntimeError(
        f'config.log.wandb: {error}; run wandb login, or set '
        f'WANDB_MODE=offline, which keeps the metrics in {workdir / "wandb"}'
      ) from error
    # The counter of Weights & Biases itself cannot go back to the step of a
    # checkpoint.
    self._run.define_metric('*', step_metric='step')
    if not self._run.offline:
      print(f'Weights & Biases: {self._run.url}', flush=True)

  def write(self, step: int, values: dict[str, float]) -> None:
    """Sends the metrics after `step` steps."""
    self._run.log({'step': step, **values})

  def close(self) -> None:
    """Waits until everything is sent."""
    self._run.finish()
