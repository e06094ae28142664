"""PyTorch's steps, with which ours are compared."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from acm_jax.host import config_files
from acm_jax.timing import run, scene, steps
from acm_jax.timing.worker import Worker
from benchmarks import pytorch
from data_pipelines import batch
from tests import formulas

PYTORCH = Path(pytorch.__file__)
SMALL = (90, 160)
networks = pytest.mark.parametrize('network', pytorch.NETWORKS)


def tensors(**arrays):
  import torch

  return {name: torch.from_numpy(array) for name, array in arrays.items()}


@networks
def test_sizes_equal_those_of_our_tracker(one_thread, network):
  from benchmarks.torch_networks import REFERENCES, TEMPLATE_SIZE

  reference = REFERENCES[network]
  tracker = steps.tracker_of(config_files.load(network)['tracker'], 'float32')
  assert tracker.template_size == TEMPLATE_SIZE
  assert tracker.search_size == reference.search_size
  assert tracker.stride == reference.stride
  cells = tracker.network.response_size(reference.search_size)
  assert cells == reference.cells


def test_every_network_in_pytorch_is_compared(one_thread):
  from benchmarks.torch_networks import REFERENCES

  assert set(REFERENCES) == set(pytorch.NETWORKS) <= set(run.NETWORKS)


def test_the_loss_of_siamban_equals_the_official_one(one_thread):
  from benchmarks.torch_steps import losses

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
  loss = losses.of_distances(**tensors(**arrays))
  figures = formulas.load('losses_ban')
  expected = figures['cls_loss'] + figures['loc_loss']
  # The reference values are computed in float64 but stored in float32.
  np.testing.assert_allclose(float(loss), float(expected), rtol=1e-6)


def test_the_loss_of_siamrpn_equals_the_official_one(one_thread):
  from benchmarks.torch_steps import losses

  rng, shape = formulas.rng('loss'), (5, 25, 25)
  cls = rng.standard_normal((3, 10, 25, 25))
  loc = rng.standard_normal((3, 20, 25, 25))
  label = rng.integers(-1, 2, (3, *shape))
  offsets = rng.standard_normal((3, 4, *shape))
  arrays = {
    'cls': cls,
    'loc': loc,
    'label': np.maximum(label, 0),
    'offsets': offsets,
    'mask': label >= 0,
    'weight': (rng.uniform(0, 1, (3, *shape)) > 0.9) / 16,
  }
  loss = losses.of_offsets(**tensors(**arrays))
  figures = formulas.load('losses_rpn')
  parts = figures['cls_loss'], figures['loc_loss']
  # The reference values are computed in float64 but stored in float32.
  expected = np.dot(figures['weights'], parts)
  np.testing.assert_allclose(float(loss), expected, rtol=1e-6)


def test_the_loss_of_siamfc_equals_the_official_one(one_thread):
  from benchmarks.torch_steps import losses

  figures = formulas.load('tracker_siamfc')
  response = formulas.rng('loss').standard_normal((4, 1, 17, 17))
  label, weight = (
    np.stack(4 * [figures[name]]).astype(float) for name in ('label', 'weight')
  )
  arrays = tensors(response=response, label=label, weight=weight)
  loss = losses.of_response(**arrays)
  # The reference values are stored in float32.
  np.testing.assert_allclose(float(loss), figures['loss'], rtol=1e-6)


@networks
def test_a_training_step_changes_every_weight(one_thread, network):
  import torch

  from benchmarks.torch_networks import REFERENCES
  from benchmarks.torch_steps.training import training

  reference = REFERENCES[network]
  module = reference.make(**reference.narrow)
  before = {key: v.clone() for key, v in module.state_dict().items()}
  raw = batch.fake(2, 127, reference.search_size)
  training(reference, module, raw, channels_last=True)().block_until_ready()
  after = module.state_dict()
  # SGD changes every weight except zeros, at least by weight decay.
  still = [key for key in after if torch.equal(after[key], before[key])]
  assert not [key for key in still if before[key].any()]
  assert all(value.isfinite().all() for value in after.values())


def test_a_training_step_keeps_the_frozen_stages(one_thread):
  import torch

  from benchmarks.torch_networks import REFERENCES
  from benchmarks.torch_steps.training import training

  reference = REFERENCES['siamban_acm']
  module = reference.make(**reference.narrow)
  before = {key: v.clone() for key, v in module.state_dict().items()}
  training(reference, module, batch.fake(2, 127, 255), frozen=2)()
  frozen = ('backbone.conv1.', 'backbone.bn1.', 'backbone.layer1.')
  for key, value in module.state_dict().items():
    if before[key].any():
      assert torch.equal(value, before[key]) == key.startswith(frozen), key


@networks
def test_a_tracking_step_finds_the_same_box_in_every_call(one_thread, network):
  import torch

  from benchmarks.torch_networks import REFERENCES
  from benchmarks.torch_steps.tracking import tracking

  torch.manual_seed(0)
  reference = REFERENCES[network]
  frame = scene.frame()
  module = reference.make(**reference.narrow)
  boxes = []
  for channels_last in (False, True):
    step = tracking(reference, module, frame, channels_last=channels_last)
    boxes += [step(), step()]
  assert np.array_equal(boxes[0], boxes[1])
  # The layouts sum in a different order.
  np.testing.assert_allclose(boxes[0], boxes[2], atol=1e-2)


def test_every_form_is_timed_next_to_ours(monkeypatch):
  timed = {}

  def step(which):
    def make(name, section, *rest):
      timed.setdefault(name, {})[which] = list(rest[-1].get(which, ()))

    return make

  for which in ('train', 'track'):
    monkeypatch.setattr(run.steps, which, step(which))
  request = run.Request('step', 2, ('siamban_acm', 'siamfc'), (PYTORCH,))
  assert list(run.PARTS['step'](request)) == [None] * 6
  cores = len(os.sched_getaffinity(0))
  forms = ['pytorch, 1 thread']
  forms += [f'pytorch, {cores} threads'] if cores > 1 else []
  both, none = {'train': forms, 'track': forms}, {'train': [], 'track': []}
  assert timed == {'siamban_acm': both, 'siamfc': both, 'siamfc_acm': none}


@pytest.mark.parametrize('step', ['train', 'track'])
def test_a_process_runs_the_step(one_thread, step):
  request = {
    'network': 'nanotrack',
    'step': step,
    'size': 2 if step == 'train' else SMALL,
    'bfloat16': False,
    'device': 'cpu',
    'narrow': True,
  }
  command = [sys.executable, '-m', 'benchmarks.torch_steps.worker']
  command += [json.dumps(request)]
  with Worker(command, {'OMP_NUM_THREADS': '1'}, PYTORCH.parents[1]) as worker:
    assert worker.seconds() > 0
  assert 'channels_last' in worker.note


def test_an_unknown_network_ends_the_process(one_thread):
  form = pytorch.OTHERS['nanotrack track']['pytorch, 1 thread']
  worker = form.func('nanotrak', 'track', SMALL, threads=1)
  with pytest.raises(RuntimeError, match="KeyError: 'nanotrak'"), worker:
    pass
