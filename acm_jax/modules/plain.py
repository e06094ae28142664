"""Plain forms of the operators, for graphs that other runtimes execute.

By default, an operator has the form that XLA executes fastest, which may be
hundreds of small operations. A plain form is a single operation of `jax.lax`,
such as a grouped convolution. Converters translate it to a single operation of
the other runtime.
"""

import contextlib

import jax

# The caches of `jax.jit` tell its values apart.
_active = jax.make_user_context(default_value=False)


def forms() -> contextlib.AbstractContextManager[None]:
  """Selects the plain forms for all operators that are traced in the block."""
  return _active(True)


def selected() -> bool:
  """Returns whether operators are to have their plain forms."""
  return _active.value
