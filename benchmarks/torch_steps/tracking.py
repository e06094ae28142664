"""Tracking step of a reference network."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

from acm_jax.timing import scene
from benchmarks.numpy_trackers import (
  Anchors,
  BoxTracker,
  Hparams,
  Points,
  ScaleTracker,
)
from benchmarks.torch_networks import Reference
from benchmarks.torch_steps.device import DEVICE

_CANDIDATES = {'distances': Points, 'offsets': Anchors}


def tracking(
  reference: Reference,
  network: nn.Module,
  frame: np.ndarray,
  *,
  bfloat16: bool = False,
  channels_last: bool = False,
  device: str = DEVICE,
) -> Callable[[], np.ndarray]:
  """Returns a function that finds the target in a frame.

  A call crops and resizes the search region with OpenCV, runs the network in
  inference mode on the crop and the encoded template, and selects a box with
  NumPy. All calls start from the same box.

  Args:
    reference: Description of the network.
    network: Network, which is moved to the device.
    frame: RGB frame [h w 3], uint8.
    bfloat16: Whether convolutions compute in bfloat16, by autocast.
    channels_last: Whether channels vary fastest in memory.
    device: Device to compute on.

  Returns:
    Function that returns the box x, y, w, h, px.
  """
  runner = _Runner(reference, network, bfloat16, channels_last, device)
  place = {'cells': reference.cells, 'stride': reference.stride}
  settings = reference.search_size, Hparams(0.1, 0.4, 0.4)
  if reference.outputs == 'response':
    tracker = ScaleTracker(
      runner.encode, runner.respond, *place.values(), *settings
    )
  else:
    candidates = _CANDIDATES[reference.outputs](**place)
    tracker = BoxTracker(
      runner.encode, runner.respond_to_one, candidates, *settings
    )
  tracker.init(frame, np.array(scene.BOX_XYWH))
  center, size = tracker.center, tracker.size

  def step():
    tracker.center, tracker.size = center, size
    return tracker.update(frame)

  return step


class _Runner:
  """Runs a network on NumPy arrays, and stores the encoded template."""

  def __init__(self, reference, network, bfloat16, channels_last, device):
    layout = torch.channels_last if channels_last else torch.contiguous_format
    torch.backends.cudnn.benchmark = True
    self._network = network.eval().to(device, memory_format=layout)
    self._layout, self._device, self._bfloat16 = layout, device, bfloat16
    # SiamFC takes RGB, all other networks BGR.
    self._order = 1 if reference.outputs == 'response' else -1

  @torch.inference_mode()
  def encode(self, template: np.ndarray, box_size: np.ndarray) -> None:
    size = torch.from_numpy(box_size.astype(np.float32)[None])
    image = self._images([template])
    with self._autocast():
      self._kernel = self._network.encode(image, size.to(self._device))

  @torch.inference_mode()
  def respond(self, crops: Sequence[np.ndarray]) -> np.ndarray:
    """Returns the responses of SiamFC [s r r]."""
    with self._autocast():
      (response,) = self._network.respond(self._kernel, self._images(crops))
    return response[:, 0].float().cpu().numpy()

  @torch.inference_mode()
  def respond_to_one(self, crop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns logits [2 n] and boxes [4 n] of the other networks."""
    with self._autocast():
      cls, loc = self._network.respond(self._kernel, self._images([crop]))
    cls, loc = (x.float().cpu().contiguous().numpy() for x in (cls, loc))
    return cls.reshape(2, -1), loc.reshape(4, -1)

  def _autocast(self):
    return torch.autocast(self._device, torch.bfloat16, enabled=self._bfloat16)

  def _images(self, crops):
    stacked = np.stack([crop[:, :, :: self._order] for crop in crops])
    image = torch.from_numpy(stacked).to(self._device).permute(0, 3, 1, 2)
    return image.float().contiguous(memory_format=self._layout)
