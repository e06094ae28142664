"""Server of the application of `acm-jax demo`."""

import uvicorn
from starlette.applications import Starlette

# Longest wait for requests in progress when the server ends, s.
_PATIENCE = 3


class Server(uvicorn.Server):
  """Server of an application; at its end, the work in progress fails."""

  def __init__(self, app: Starlette):
    """Creates a server of an application that `app.make` has made."""
    self._stop = app.state.stop
    super().__init__(
      uvicorn.Config(
        app, log_level='warning', timeout_graceful_shutdown=_PATIENCE
      )
    )

  async def shutdown(self, sockets=None) -> None:
    """Ends the server; see `uvicorn.Server`."""
    # A video that is being written would take minutes.
    self._stop()
    await super().shutdown(sockets)
