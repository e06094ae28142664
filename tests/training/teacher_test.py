"""A teacher: its part of the loss, and which trackers can be teachers."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from acm_jax.modules.mode import EVAL
from acm_jax.tracking.contract import Hparams, Tracker
from acm_jax.tracking.model import Model
from acm_jax.training import sharding, trained
from acm_jax.training import teacher as teachers
from data_pipelines import batch
from tests import variables
from tests.training import fakes

HPARAMS = Hparams(**fakes.PLAN['hparams'])


def teacher_of(tracker, weights=None, seed=1):
  model = Model(
    'other', tracker, variables.fill(tracker.init_variables, seed=seed), HPARAMS
  )
  return teachers.Teacher(model, {'cls': 0.5} if weights is None else weights)


def test_the_loss_compares_outputs_for_the_same_crops_on_eight_devices():
  plan, mesh = fakes.make_plan(), sharding.make_mesh()
  everywhere = sharding.replicated(mesh)
  assert mesh.size == 8
  teacher = teacher_of(plan.tracker)
  plan = dataclasses.replace(plan, teacher=teacher)
  phase, weights = plan.phase(0), teacher.model.variables
  state = jax.jit(lambda: plan.initial_state(phase), out_shardings=everywhere)()
  raw = batch.fake(8, *plan.crop_sides.values())
  step = jax.jit(plan.step_function(phase))

  def run(weights):
    placed = jax.device_put(weights, everywhere)
    return step(state, sharding.put(raw, mesh), plan.key, placed)[1]

  key = jax.random.fold_in(plan.key, 0)
  crops = plan.distort(jax.tree.map(jnp.asarray, raw), jax.random.split(key)[0])

  def outputs(weights, mode):
    images = crops.template, crops.template_box[:, 2:], crops.search
    return plan.tracker.apply(weights, *images, mode=mode)[0]['map']

  metrics = run(weights)
  own = outputs(jax.device_get(state.variables), phase.mode(state.params))
  expected = np.mean((own - outputs(weights, EVAL)) ** 2)
  # Sums in a different order.
  np.testing.assert_allclose(metrics['loss_teacher_cls'], expected, rtol=1e-4)
  total = metrics['loss_map'] + metrics['loss_mask']
  total += 0.5 * metrics['loss_teacher_cls']
  np.testing.assert_allclose(metrics['loss'], total, rtol=1e-6)
  # The teacher's variables are not compiled in as constants.
  other = run(teacher_of(plan.tracker, seed=2).model.variables)
  assert other['loss_teacher_cls'] != metrics['loss_teacher_cls']
  assert step._cache_size() == 1


class Watching(fakes.FakeTracker):
  """Tracker that records the precision with which it is traced."""

  def apply(self, *args, **kwargs):
    self.traces.append(jax.config.jax_default_matmul_precision)
    return super().apply(*args, **kwargs)


def test_a_teacher_computes_at_its_own_precision():
  tracker = Watching()
  model = dataclasses.replace(teacher_of(tracker).model, precision='bfloat16')
  teacher = teachers.Teacher(model, {})
  with jax.default_matmul_precision('highest'):
    jax.eval_shape(
      teacher.outputs, model.variables, teachers.shapes(tracker, search_size=32)
    )
  assert tracker.traces == ['bfloat16']


class Unteachable(fakes.FakeTracker):
  """Tracker without a loss against a teacher."""

  imitation = Tracker.imitation


@pytest.mark.parametrize(
  ('changes', 'student', 'weights', 'message'),
  [
    (
      {'template_size': 20},
      fakes.FakeTracker,
      {'cls': 1.0},
      'template_size=20',
    ),
    (
      {'context_amount': 0.3},
      fakes.FakeTracker,
      {'cls': 1.0},
      'the student has 0.5',
    ),
    (
      {'network': fakes.FakeNetwork(features=9)},
      fakes.FakeTracker,
      {'cls': 1.0},
      'for a search crop of 32 px, the outputs of .* same outputs',
    ),
    ({}, fakes.FakeTracker, {'class': 1.0}, "config.teacher: .*'class'"),
    (
      {},
      Unteachable,
      {'cls': 1.0},
      'Unteachable has no loss against a teacher',
    ),
  ],
  ids=['template', 'context', 'outputs', 'weight', 'student'],
)
def test_a_teacher_that_does_not_fit_is_refused(
  monkeypatch, changes, student, weights, message
):
  tracker = dataclasses.replace(fakes.FakeTracker(), **changes)
  model = teacher_of(tracker).model
  monkeypatch.setattr(trained, 'load', lambda path: model)
  with pytest.raises(ValueError, match=message):
    teachers.load('runs/other', weights, student(), search_size=32)


def test_a_teacher_without_a_config_section_is_refused_and_vice_versa():
  student = fakes.FakeTracker()
  with pytest.raises(ValueError, match='`teacher`: the config has no section'):
    teachers.load('runs/other', None, student, search_size=32)
  with pytest.raises(ValueError, match='no teacher is named'):
    teachers.load(None, {'cls': 1.0}, student, search_size=32)
  assert teachers.load(None, None, student, search_size=32) is None
