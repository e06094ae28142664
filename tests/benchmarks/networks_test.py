"""PyTorch's reference networks equal the official ones."""

import numpy as np
import pytest

from benchmarks import pytorch
from tests import formulas


@pytest.mark.parametrize('network', pytorch.NETWORKS)
def test_outputs_equal_the_official_ones(one_thread, network):
  import torch

  from benchmarks.torch_networks import REFERENCES, TEMPLATE_SIZE

  reference = REFERENCES[network]
  weights = formulas.state_dict(reference.figures)
  # The device `meta` skips the random weights, which would be replaced anyway.
  with torch.device('meta'):
    module = reference.make().eval()
  keys = module.load_state_dict(
    {key: torch.from_numpy(value) for key, value in weights.items()},
    strict=False,
    assign=True,
  )
  # The outputs of NanoTrack do not depend on its neck.
  unused = 'neck.' if network == 'nanotrack' else ()
  assert all(key.startswith(unused) for key in keys.unexpected_keys)
  assert all('num_batches_tracked' in key for key in keys.missing_keys)
  figures = formulas.load(reference.figures)
  template, search = (
    torch.from_numpy(np.moveaxis(formulas.image(name, size), -1, 1).copy())
    for name, size in (
      ('template', TEMPLATE_SIZE),
      ('search', reference.search_size),
    )
  )
  # Only networks with ACM read the size.
  size = figures.get('bbox', np.ones((1, 4)))[:, 2:].astype(np.float32)
  with torch.inference_mode():
    outputs = module(template, torch.from_numpy(size), search)
  names = [name for name in ('cls', 'loc', 'response') if name in figures]
  for name, output in zip(names, outputs, strict=True):
    # Rounding to float32 changes outputs by 9e-7 of the maximum on a CPU.
    tolerance = 1e-5 * np.abs(figures[name]).max()
    np.testing.assert_allclose(output, figures[name], rtol=0, atol=tolerance)
