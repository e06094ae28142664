"""Rejects state dicts of NanoTrackV1 and NanoTrackV2."""

from collections.abc import Mapping

import numpy as np

StateDict = dict[str, np.ndarray]


def version_3(state_dict: Mapping[str, np.ndarray]) -> StateDict:
  """Returns a copy of a state dict, unless it belongs to NanoTrackV1 or V2.

  A state dict of unknown version is copied, too.

  Raises:
    ValueError: The state dict belongs to NanoTrackV1 or V2, which are other
      networks than NanoTrackV3.
  """
  version = _version(state_dict)
  if version in (1, 2):
    raise ValueError(
      f'`weights`: these are weights of NanoTrackV{version}, but the tracker '
      'nanotrack is NanoTrackV3; use nanotrackv3.pth'
    )
  return dict(state_dict)


def _version(state_dict: Mapping[str, np.ndarray]) -> int | None:
  """Infers the version from the head's modules; returns None if unknown."""

  def has(module: str) -> bool:
    return any(key.startswith(f'ban_head.{module}.') for key in state_dict)

  if has('corr_pw'):
    return 1
  if has('corr_pw_reg'):
    return 3 if has('corr_dw_reg') else 2
  return None
