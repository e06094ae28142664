"""Device that PyTorch computes on."""

import torch

DEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'


class Pending:
  """Unfinished work of the device; has the waiting method of a JAX array."""

  def block_until_ready(self) -> None:
    """Waits until the device has finished."""
    if torch.cuda.is_available():
      torch.cuda.synchronize()
