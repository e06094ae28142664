"""Tests of what NanoTrack has beyond the contract of trackers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from acm_jax import trackers
from acm_jax.trackers.nanotrack.network import NanoBranch
from acm_jax.trackers.siamese import Outputs


@pytest.mark.parametrize(
  ('options', 'message'),
  [
    ({'fusion': 'dw_xcorr'}, 'unknown to nanotrack.*residual_acm'),
    ({'levels': (8, 9)}, 'nanotrack fuses exactly one level'),
    ({'template_size': 40}, 'cells is even, 4 or more'),
    ({'fusion': 'acm', 'fusion_options': {'cells': 3}}, 'cells=3: give'),
    ({'fusion_options': {'prior': True}}, 'nano_xcorr has no option prior'),
  ],
)
def test_nanotrack_refuses_unsuitable_options(options, message):
  with pytest.raises(ValueError, match=message):
    trackers.make('nanotrack', **options)


def test_an_untrained_residual_acm_equals_the_correlations():
  plain, residual = (
    NanoBranch(2, 16, 8, fusion) for fusion in ('nano_xcorr', 'residual_acm')
  )
  rng = np.random.default_rng(0)
  template, search = (
    jnp.asarray(rng.standard_normal((1, cells, cells, 16)), jnp.float32)
    for cells in (8, 16)
  )
  box_size = jnp.full((1, 2), 40.0)

  def respond(branch):
    kernel = branch.encode(template, box_size, train=False)
    return branch.respond(kernel, search, train=False)[0]

  key = jax.random.key(0)
  initial = jax.jit(lambda: residual.init(key, method=respond))()
  shared = {
    name: {part: tree[part] for part in tree if part not in ('acm', 'join')}
    for name, tree in initial.items()
  }
  one = jax.jit(lambda: plain.apply(shared, method=respond))()
  other = jax.jit(lambda: residual.apply(initial, method=respond))()
  # Separate programs may sum in a different order.
  np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_nanotrack_learns_nothing_from_a_teachers_false_alarms():
  tracker = trackers.make('nanotrack', hidden=16, width=0.25)
  rng = np.random.default_rng(0)
  student, teacher = (
    Outputs(
      cls=jnp.asarray(rng.standard_normal((2, 15, 15, 2)), jnp.float32),
      loc=jnp.asarray(rng.uniform(1, 30, (2, 15, 15, 4)), jnp.float32),
    )
    for _ in range(2)
  )
  positive = jnp.ones(2, bool)
  _, alarmed = tracker.imitation(student, teacher, ~positive)
  silent = teacher.replace(cls=teacher.cls.at[..., 0].add(50.0))
  _, calm = tracker.imitation(student, silent, ~positive)
  assert alarmed['loc'] == calm['loc'] == 0
  np.testing.assert_allclose(alarmed['cls'], calm['cls'], rtol=1e-5)
  _, visible = tracker.imitation(student, teacher, positive)
  assert visible['loc'] > 0
