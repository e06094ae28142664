"""Flags that select a trained tracker, shared by several commands."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import flags

from acm_jax import models
from acm_jax.exported import contract
from acm_jax.exported.runtimes import RUNTIMES
from acm_jax.host import names

if TYPE_CHECKING:
  from acm_jax.tracking.model import Model

# Rules of `tracking.wide`.
_WIDE_SEARCHES = ('never', 'long_term', 'fast_motion')
_TEXTS = {
  'hparams': 'Hyper-parameters to change, as NAME=VALUE,NAME=VALUE, or the '
  "name of an entry in the config's section `tuned`.",
  'wide_search': 'When to search a larger region: never, long_term (while the '
  'target is lost) or fast_motion (after the target has jumped); default: the '
  'value in the config.',
}


def define(values: flags.FlagValues) -> None:
  """Defines the flags on `values`."""
  text = (
    f'Name of a model in the package ({", ".join(models.names())}); or folder '
    'of a model or a training run, where DIR@STEP or DIR@best selects a '
    'checkpoint.'
  )
  flags.DEFINE_string('checkpoint', 'small', text, flag_values=values)
  for name, text in _TEXTS.items():
    flags.DEFINE_string(name, None, text, flag_values=values)
  names.allow_spellings(values, 'wide_search', _WIDE_SEARCHES)
  flags.DEFINE_float(
    'smallest_side',
    None,
    'Lower limit of the width and height of tracked boxes, px; default: the '
    'value in the config.',
    flag_values=values,
  )


def changes(values: flags.FlagValues) -> dict[str, Any]:
  """Returns what the flags change, as arguments of `training.trained.load`."""
  given = {name: values[name].value for name in (*_TEXTS, 'smallest_side')}
  return {name: x for name, x in given.items() if x not in (None, '')}


def load(values: flags.FlagValues) -> 'Model':
  """Loads the selected tracker, and says so first: loading takes seconds.

  Raises:
    OSError: There is no such model or folder, or the folder has no checkpoint.
    ValueError: The checkpoint does not exist, is damaged or does not belong to
      a tracker, or a flag has an invalid value.
  """
  folder = Path(values.checkpoint)
  if contract.exists(folder):
    kind = contract.read(folder).format
    if kind in RUNTIMES:
      advice = f'run it with `acm-jax track --runtime {kind}`'
    else:
      advice = (
        f'no command runs {kind}; give the model, or export it as '
        f'{" or ".join(RUNTIMES)}'
      )
    raise ValueError(f'{folder}: is an exported tracker; {advice}')
  print(f'loading the tracker {values.checkpoint}', flush=True)
  # JAX is imported only now, after the line above.
  from acm_jax.tracking import programs
  from acm_jax.training import trained

  programs.reuse_memory()
  programs.keep_programs()
  return trained.load(values.checkpoint, **changes(values))
