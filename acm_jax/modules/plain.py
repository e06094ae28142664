"""Plain forms of the operators, for graphs that other runtimes execute.

By default, an operator has the form that XLA executes fastest, which may be
hundreds of small operations. A plain form is a single operation of `jax.lax`,
such as a grouped convolution. Converters translate it to a single operation of
the other runtime.
"""

import contextlib
import contextvars
from collections.abc import Iterator

_active = contextvars.ContextVar('plain forms', default=False)


@contextlib.contextmanager
def forms() -> Iterator[None]:
  """Selects the plain forms for all operators that are traced in the block.

  Functions that are wrapped by `jax.jit` outside the block must not be traced
  in it for the first time, because they would keep the plain forms.
  """
  token = _active.set(True)
  try:
    yield
  finally:
    _active.reset(token)


def selected() -> bool:
  """Returns whether operators are to have their plain forms."""
  return _active.get()
