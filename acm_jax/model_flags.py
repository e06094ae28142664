"""The flags that name a trained tracker, the same for every command."""

from absl import flags

from acm_jax.tracking.model import Model
from acm_jax.training import trained

_TEXTS = {
  'hparams': 'Hyper-parameters to change, as k=v,k=v, or the name of an entry '
  'in the section tuned of the config.',
  'wide_search': 'When to search a larger region: never, long_term or '
  "fast_motion (default: the config's).",
}


def define(values: flags.FlagValues) -> None:
  """Defines the flags on `values`."""
  text = 'Folder of a run or of a converted model; DIR@STEP or DIR@best.'
  flags.DEFINE_string(
    'checkpoint', None, text, required=True, flag_values=values
  )
  for name, text in _TEXTS.items():
    flags.DEFINE_string(name, None, text, flag_values=values)


def load(values: flags.FlagValues) -> Model:
  """The tracker that the flags name; raises as `trained.load`."""
  return trained.load(values.checkpoint, values.hparams, values.wide_search)
