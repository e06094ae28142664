"""Refuses requests of other pages, and what the page would load from elsewhere.

Any page that a user visits can send requests to the user's own machine.
"""

import ipaddress
import urllib.parse

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Browsers refuse what the page would load from elsewhere.
_HEADERS = {
  'Content-Security-Policy': "default-src 'self'; img-src 'self' blob:; "
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
}


class Guard:
  """Middleware that answers only the application's own page."""

  def __init__(self, app: ASGIApp, local: bool):
    """Guards an application.

    Args:
      app: Application.
      local: Whether only this machine reaches the application. Only addresses
        of this machine may then name it, because the owner of another name can
        let it mean this machine.
    """
    self._app, self._local = app, local

  async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
    """Answers a request, or refuses it."""
    if scope['type'] != 'http':
      await self._app(scope, receive, send)
      return
    if reason := self._refusal(Headers(scope=scope)):
      await JSONResponse({'error': reason}, 403)(scope, receive, send)
      return

    async def send_with_headers(message: Message) -> None:
      if message['type'] == 'http.response.start':
        MutableHeaders(scope=message).update(_HEADERS)
      await send(message)

    await self._app(scope, receive, send_with_headers)

  def _refusal(self, headers: Headers) -> str | None:
    host, origin = headers.get('host', ''), headers.get('origin')
    if self._local and not _is_here(urllib.parse.urlsplit(f'//{host}')):
      return f'{host} is not the address of this page; open 127.0.0.1'
    if origin and urllib.parse.urlsplit(origin).netloc != host:
      return f'{origin} must not use this page'
    return None


def _is_here(place: urllib.parse.SplitResult) -> bool:
  """Returns whether an address means this machine, whatever names mean."""
  try:
    return (
      place.hostname == 'localhost'
      or ipaddress.ip_address(place.hostname or '').is_loopback
    )
  except ValueError:
    return False
