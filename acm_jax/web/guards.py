"""Refuses requests of other pages, and what the page would load from elsewhere.

Any page that a user visits can send requests to the user's own machine.
"""

import urllib.parse

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Browsers refuse what the page would load from elsewhere.
_HEADERS = {
  'Content-Security-Policy': "default-src 'self'; img-src 'self' blob:; "
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
}


def make(local: bool) -> list[Middleware]:
  """Makes the guards of an application.

  Args:
    local: Whether only this machine reaches the application. It then has no
      other names, because the owner of a name could let it mean this machine.
  """
  hosts = ['127.0.0.1', 'localhost', '[::1]'] if local else ['*']
  return [
    Middleware(TrustedHostMiddleware, allowed_hosts=hosts),
    Middleware(_OwnPage),
  ]


class _OwnPage:
  """Middleware that answers only the application's own page."""

  def __init__(self, app: ASGIApp):
    self._app = app

  async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
    if scope['type'] != 'http':
      await self._app(scope, receive, send)
      return
    headers = Headers(scope=scope)
    origin = headers.get('origin')
    if origin and urllib.parse.urlsplit(origin).netloc != headers.get('host'):
      refusal = JSONResponse({'error': f'{origin} must not ask this page'}, 403)
      await refusal(scope, receive, send)
      return

    async def send_with_headers(message: Message) -> None:
      if message['type'] == 'http.response.start':
        MutableHeaders(scope=message).update(_HEADERS)
      await send(message)

    await self._app(scope, receive, send_with_headers)
