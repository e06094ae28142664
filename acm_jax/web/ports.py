"""Ports that pages are served on."""

import errno
import socket


def listen(host: str, port: int) -> socket.socket:
  """Returns a socket that listens on a port.

  Args:
    host: Name or address of this machine; '127.0.0.1' reaches only this
      machine.
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
    return socket.create_server((host, port), family=family)
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


def address(listening: socket.socket) -> str:
  """Returns the address at which a browser finds a socket."""
  host, port = listening.getsockname()[:2]
  return f'http://[{host}]:{port}' if ':' in host else f'http://{host}:{port}'
