"""State dicts of NanoTrack, of which three versions are published."""

from collections.abc import Mapping

import numpy as np

StateDict = dict[str, np.ndarray]


def version_3(state_dict: Mapping[str, np.ndarray]) -> StateDict:
  """Returns the state dict if it is that of NanoTrackV3.

  Raises:
    ValueError: It is that of NanoTrackV1 or V2, whose networks are others.
  """
  version = _version(state_dict)
  if version in (1, 2):
    raise ValueError(
      f'the weights are those of NanoTrackV{version}; tracker nanotrack is '
      'NanoTrackV3: take nanotrackv3.pth'
    )
  return dict(state_dict)


def _version(state_dict: Mapping[str, np.ndarray]) -> int | None:
  """Tells the version by the correlations of the head; None if by none."""

  def has(module: str) -> bool:
    return any(key.startswith(f'ban_head.{module}.') for key in state_dict)

  if has('corr_pw'):
    return 1
  if has('corr_pw_reg'):
    return 3 if has('corr_dw_reg') else 2
  return None
