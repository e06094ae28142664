"""Middleware of the application of `acm-jax demo`."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from acm_jax.web import guards

_HEADERS = guards.HEADERS | {
  # Nothing is left in the browser when the page is closed.
  'Cache-Control': 'no-store',
  # Browsers refuse what the page would load from elsewhere.
  'Content-Security-Policy': "default-src 'self'; img-src 'self' blob:; "
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}


class Guard:
  """Middleware that answers only the application's own page."""

  def __init__(self, app: ASGIApp):
    """Guards an application."""
    self._app = app

  async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
    """Answers a request, or refuses it."""
    if scope['type'] != 'http':
      await self._app(scope, receive, send)
      return
    headers = Headers(scope=scope)
    reason = guards.refusal(headers.get('host', ''), headers.get('origin'))
    if reason:
      await JSONResponse({'error': reason}, 403)(scope, receive, send)
      return

    async def send_with_headers(message: Message) -> None:
      if message['type'] == 'http.response.start':
        MutableHeaders(scope=message).update(_HEADERS)
      await send(message)

    await self._app(scope, receive, send_with_headers)
