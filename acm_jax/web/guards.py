"""Refuses what other pages request of the pages of this machine.

Any page that a user visits can send requests to the user's own machine, and the
owner of a name can let it mean this machine. An address in numbers means the
same to everybody.
"""

import ipaddress
import socket
import urllib.parse

# Headers of all answers. Other pages must not show what is here, either.
HEADERS = {
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
}


def refusal(host: str, origin: str | None) -> str | None:
  """Returns why a request is refused, or None if it is not.

  Args:
    host: Header Host; '' if there is none.
    origin: Header Origin, which browsers add to the requests of pages.
  """
  if not _means_this_machine(host):
    return (
      f'{host} is not an address of this page; open the one that the command '
      'prints'
    )
  if origin and origin.partition('://')[2] != host:
    return f'{origin} must not use this page'
  return None


def _means_this_machine(host: str) -> bool:
  try:
    name = urllib.parse.urlsplit(f'//{host}').hostname or ''
  except ValueError:
    return False
  own = socket.gethostname().lower()
  short = own.partition('.')[0]
  if name in ('localhost', own, short, f'{short}.local'):
    return True
  try:
    ipaddress.ip_address(name)
  except ValueError:
    return False
  return True
