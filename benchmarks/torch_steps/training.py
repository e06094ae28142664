"""Training step of a reference network."""

import functools
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.torch_networks import Reference
from benchmarks.torch_networks.siamese import SiamRpn
from benchmarks.torch_steps import losses
from benchmarks.torch_steps.device import DEVICE, Pending
from data_pipelines.batch import RawBatch

# Number of positive and of negative locations or anchors that are sampled in an
# image, as in the official code.
POSITIVES, NEGATIVES = 16, 48


def training(
  reference: Reference,
  network: nn.Module,
  raw: RawBatch,
  *,
  bfloat16: bool = False,
  channels_last: bool = False,
  compiled: bool = False,
  frozen: int = 0,
  device: str = DEVICE,
) -> Callable[[], Pending]:
  """Returns a function that trains a network by one step per call.

  A step consists of the forward pass with batch norms in training mode, the
  loss, the backward pass, clipping of the gradient, and SGD.

  Args:
    reference: Description of the network.
    network: Network to train, whose weights change in place.
    raw: Batch that all steps train on. The labels are random.
    bfloat16: Whether convolutions compute in bfloat16, by autocast.
    channels_last: Whether channels vary fastest in memory.
    compiled: Whether `torch.compile` is applied to network and loss.
    frozen: Number of stages of a ResNet, including the stem, that do not train.
    device: Device to compute on.
  """
  layout = torch.channels_last if channels_last else torch.contiguous_format
  torch.backends.cudnn.benchmark = True
  network = network.train().to(device, memory_format=layout)
  for stage in network.backbone.stages()[:frozen] if frozen else ():
    stage.eval().requires_grad_(False)
  weights = [each for each in network.parameters() if each.requires_grad]
  optimizer = torch.optim.SGD(weights, 1e-3, 0.9, weight_decay=1e-4)
  template, box_size, search = (x.to(device) for x in _inputs(raw))
  template, search = (
    image.contiguous(memory_format=layout) for image in (template, search)
  )
  loss, make_targets = _LOSSES[reference.outputs]
  targets = make_targets(np.random.default_rng(0), len(search), reference.cells)
  targets = {name: value.to(device) for name, value in targets.items()}

  def loss_of(template, box_size, search, targets):
    outputs = network(template, box_size, search)
    return loss(*outputs, **targets)

  if compiled:
    # By default, PyTorch would compile for arbitrary batch sizes as soon as the
    # batch size changes.
    loss_of = torch.compile(loss_of, dynamic=False)
  autocast = functools.partial(
    torch.autocast, device, torch.bfloat16, enabled=bfloat16
  )

  def step():
    optimizer.zero_grad(set_to_none=True)
    with autocast():
      value = loss_of(template, box_size, search, targets)
    value.backward()
    nn.utils.clip_grad_norm_(weights, 10.0)
    optimizer.step()
    return Pending()

  return step


def _inputs(raw: RawBatch) -> tuple[Tensor, Tensor, Tensor]:
  """Returns the template, box size and search image of a batch."""

  def image(pixels):
    pixels = np.moveaxis(np.asarray(pixels, np.float32), -1, 1)
    return torch.from_numpy(pixels.copy())

  size = torch.from_numpy(np.asarray(raw.template_box, np.float32)[:, 2:])
  return image(raw.template), size, image(raw.search)


def _sampled(rng, *shape) -> tuple[np.ndarray, np.ndarray]:
  """Samples as many positive and negative places per image as in training.

  Returns:
    Labels, and a mask of the sampled places.
  """
  draw = rng.random((shape[0], np.prod(shape[1:])))
  order = draw.argsort(axis=1).argsort(axis=1).reshape(shape)
  label, mask = order < POSITIVES, order < POSITIVES + NEGATIVES
  return label.astype(np.int64), mask.astype(np.float32)


def _distances(rng, count: int, cells: int) -> dict[str, Tensor]:
  label, mask = _sampled(rng, count, cells, cells)
  distances = rng.uniform(20, 60, (count, 4, cells, cells))
  return _tensors(label=label, distances=distances, mask=mask)


def _offsets(rng, count: int, cells: int) -> dict[str, Tensor]:
  shape = SiamRpn.ANCHORS, cells, cells
  label, mask = _sampled(rng, count, *shape)
  offsets = rng.standard_normal((count, 4, *shape))
  weight = label / POSITIVES
  return _tensors(label=label, offsets=offsets, mask=mask, weight=weight)


def _response(rng, count: int, cells: int) -> dict[str, Tensor]:
  label = rng.random((count, cells, cells)) < 0.1
  return _tensors(label=label * 1.0, weight=rng.random(label.shape))


def _tensors(**arrays: np.ndarray) -> dict[str, Tensor]:
  return {
    name: torch.from_numpy(x if x.dtype == np.int64 else x.astype(np.float32))
    for name, x in arrays.items()
  }


# Keys are kinds of outputs, as in `Reference.outputs`. Values are the loss, and
# the function that makes random targets for a number of images.
_LOSSES = {
  'distances': (losses.of_distances, _distances),
  'offsets': (losses.of_offsets, _offsets),
  'response': (losses.of_response, _response),
}
