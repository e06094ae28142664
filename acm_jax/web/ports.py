"""Ports that pages are served on."""

import errno
import ipaddress
import socket

from absl import logging


def listen(host: str, port: int) -> socket.socket:
  """Returns a socket that listens on a port.

  A warning says so if other machines reach the port.

  Args:
    host: Name or address of this machine; only this machine reaches
      '127.0.0.1'.
    port: Number of the port; 0 for any free one.

  Raises:
    ValueError: The port is in use or not allowed, or the host is not an address
      of this machine.
  """
  if not 0 <= port < 2**16:
    raise ValueError(f'`port`={port}: give a number from 0 to 65535')
  # The error of an address in IPv6 would otherwise be that of IPv4.
  family = socket.AF_INET6 if ':' in host else socket.AF_INET
  try:
    listening = socket.create_server((host, port), family=family)
  except PermissionError:
    reason = f'`port`={port}: only the administrator may use it; give one '
    raise ValueError(f'{reason}above 1023') from None
  except OSError as error:
    if error.errno == errno.EADDRINUSE:
      raise ValueError(
        f'`port`={port}: is in use by another program; give another port, or '
        '0 for any free one'
      ) from None
    raise ValueError(
      f'`host`={host}: is not an address of this machine '
      f'({error.strerror}); give 127.0.0.1'
    ) from None
  if not is_local(listening):
    logging.warning(
      '--host=%s: everyone who reaches this machine can use the page', host
    )
  return listening


def is_local(listening: socket.socket) -> bool:
  """Returns whether only this machine reaches a socket."""
  return ipaddress.ip_address(listening.getsockname()[0]).is_loopback


def address(listening: socket.socket) -> str:
  """Returns the address at which a browser finds a socket."""
  host, port = listening.getsockname()[:2]
  if ipaddress.ip_address(host).is_unspecified:
    host = _outward(listening.family) or host
  return f'http://[{host}]:{port}' if ':' in host else f'http://{host}:{port}'


def _outward(family: socket.AddressFamily) -> str | None:
  """Returns the address at which other machines find this one, if any."""
  # Nothing is sent; the system only chooses the address that it would send
  # from. The receivers are reserved for documentation.
  receiver = '2001:db8::1' if family == socket.AF_INET6 else '192.0.2.1'
  with socket.socket(family, socket.SOCK_DGRAM) as sender:
    try:
      sender.connect((receiver, 9))
    except OSError:
      return None
    return sender.getsockname()[0]
