"""PyTorch's network and training step, with which ours are compared."""

from pathlib import Path

import numpy as np
import pytest

from acm_jax.timing import run
from benchmarks import accelerator
from data_pipelines import batch
from tests import formulas


@pytest.fixture(autouse=True)
def torch():
  """PyTorch limited to one thread, as test processes share the cores."""
  torch = pytest.importorskip('torch')
  threads = torch.get_num_threads()
  torch.set_num_threads(1)
  yield torch
  torch.set_num_threads(threads)


def test_outputs_equal_the_official_ones(torch):
  from benchmarks import pytorch

  weights = formulas.state_dict('siamban_acm_r50')
  # The device `meta` skips the random weights, which would be replaced anyway.
  with torch.device('meta'):
    network = pytorch.Network().eval()
  counters = network.load_state_dict(
    {key: torch.from_numpy(value) for key, value in weights.items()},
    strict=False,
    assign=True,
  )
  assert not counters.unexpected_keys
  assert all('num_batches_tracked' in k for k in counters.missing_keys)
  figures = formulas.load('siamban_acm_r50')
  template, search = (
    torch.from_numpy(np.moveaxis(formulas.image(name, size), -1, 1).copy())
    for name, size in (('template', 127), ('search', 255))
  )
  box_size = torch.from_numpy(figures['bbox'][:, 2:].astype(np.float32))
  with torch.no_grad():
    outputs = network(template, box_size, search)
  for name, output in zip(('cls', 'loc'), outputs, strict=True):
    # Rounding to float32 changes outputs by 5e-7 of the maximum on a CPU.
    tolerance = 1e-5 * np.abs(figures[name]).max()
    np.testing.assert_allclose(output, figures[name], rtol=0, atol=tolerance)


def test_the_loss_equals_the_official_one(torch):
  from benchmarks import pytorch

  rng, shape = formulas.rng('loss'), (3, 25, 25)
  cls = rng.standard_normal((3, 2, 25, 25))
  loc = np.exp(rng.standard_normal((3, 4, 25, 25)) + 3)
  label = rng.integers(-1, 2, shape)
  distances = np.exp(rng.standard_normal((3, 4, 25, 25)) + 3)
  arrays = {
    'cls': cls,
    'loc': loc,
    'label': np.maximum(label, 0),
    'distances': distances,
    'mask': label >= 0,
  }
  loss = pytorch.loss(**{k: torch.from_numpy(v) for k, v in arrays.items()})
  figures = formulas.load('losses_ban')
  expected = figures['cls_loss'] + figures['loc_loss']
  # The reference values are computed in float64 but stored in float32.
  np.testing.assert_allclose(float(loss), float(expected), rtol=1e-6)


def test_a_step_trains_all_but_the_frozen_stages(torch):
  from benchmarks import pytorch

  network = pytorch.Network(channels=4, hidden=8)
  before = {key: v.clone() for key, v in network.state_dict().items()}
  form = pytorch.Form(frozen=2, network=lambda: network)
  step = form(batch.fake(2, 127, 255))
  step().block_until_ready()
  after = network.state_dict()
  same = {key for key in after if torch.equal(after[key], before[key])}
  frozen = ('backbone.conv1.', 'backbone.bn1.', 'backbone.layer1.')
  # SGD changes every weight except zeros, at least by weight decay.
  still = {k for k in same if not k.startswith(frozen) and before[k].any()}
  assert not still
  assert {key for key in after if key.startswith(frozen)} <= same


def test_the_step_in_pytorch_is_timed_next_to_ours(monkeypatch):
  timed = {}

  def steps(name, make, batch_size, others):
    timed[name] = list(others)
    return []

  monkeypatch.setattr(run.steps, 'steps', steps)
  against = Path(accelerator.__file__).with_name('pytorch.py')
  request = run.Request('step', 2, ('siamban acm', 'siamfc xcorr'), against)
  assert list(run.PARTS['step'](request)) == []
  assert timed == {
    'siamban acm': ['pytorch', 'pytorch bfloat16'],
    'siamfc xcorr': [],
  }
