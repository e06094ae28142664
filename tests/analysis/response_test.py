"""Measures of responses equal slow references and known answers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from acm_jax import trackers
from acm_jax.analysis import measure, response
from acm_jax.geometry import grid
from acm_jax.modules import fusion
from tests import variables
from tests.trackers import attention_test

TRUTH = np.array([-8.0, 10.0, 50.0, 34.0], np.float32)
SIZE, STRIDE = 15, 16
# No padding.
WHOLE = np.array([-128.0, -128.0, 128.0, 128.0], np.float32)


@pytest.fixture(scope='module')
def measured():
  """Returns a function that computes the statistics of a response."""

  @jax.jit
  def statistics(x, truth, picture):
    masks = response.cells(len(x), STRIDE, truth, picture)
    return response.statistics(x, *masks), masks

  return lambda x, truth=TRUTH, picture=WHOLE: jax.device_get(
    statistics(
      jnp.asarray(x, jnp.float32), jnp.asarray(truth), jnp.asarray(picture)
    )
  )


def distractors(heat, outside):
  """Returns the cells of `outside` that are hotter than all eight neighbours.

  Args:
    heat: Heat of every cell, as a square.
    outside: Cells in the background, in row-major order.
  """
  size, found = len(heat), []
  for i in outside:
    row, column = divmod(i, size)
    if 0 < row < size - 1 and 0 < column < size - 1:
      around = heat[row - 1 : row + 2, column - 1 : column + 2].ravel()
      if heat[row, column] > np.delete(around, 4).max():
        found.append(i)
  return found


def cosine(a, b):
  return a @ b / np.sqrt((a @ a) * (b @ b))


def reference(x, truth, picture):
  """Computes all measures cell by cell."""
  points = grid.points(len(x), STRIDE).reshape(-1, 2)
  vectors = x.reshape(len(points), -1).astype(float)
  heat = np.abs(vectors).sum(axis=1)
  center, half = truth[:2], truth[2:] / 2
  closest = np.argmin(((points - center) ** 2).sum(axis=1))
  inside = [
    i
    for i, p in enumerate(points)
    if i == closest or (np.abs(p - center) <= half).all()
  ]
  outside = [
    i
    for i, p in enumerate(points)
    if (np.abs(p - center) > 2 * half).any()
    and (picture[:2] <= p).all()
    and (p < picture[2:]).all()
  ]
  target = max(inside, key=heat.__getitem__)
  others = distractors(heat.reshape(x.shape[:2]), outside)
  distractor = max(others, key=heat.__getitem__)
  pair = [target, distractor]
  overlaps = []
  for threshold in set(heat):
    chosen = set(np.flatnonzero(heat >= threshold))
    overlaps.append(len(chosen & set(inside)) / len(chosen | set(inside)))
  peaks = np.sort(np.abs(vectors).max(axis=0))
  at = np.array(response.RANKS) * (len(peaks) - 1)
  return {
    'distractor': 1,
    'distractor_heat': heat[distractor] / heat[target],
    'cosine': cosine(*vectors[pair]),
    'centered_cosine': cosine(*(vectors - vectors.mean(axis=0))[pair]),
    'energy_inside': (vectors[inside] ** 2).sum() / (vectors**2).sum(),
    'best_overlap': max(overlaps),
    'area': len(inside) / len(points),
    'peaks': np.interp(at, range(len(peaks)), peaks) / peaks[-1],
  }


@pytest.mark.parametrize('channels', [2, 96])
@pytest.mark.parametrize('size', [13, 16])
def test_all_measures_equal_a_slow_reference(measured, size, channels):
  rng = np.random.default_rng(size)
  x = rng.standard_normal((size, size, channels))
  truth = rng.uniform([-20, -20, 20, 20], [20, 20, 70, 70]).astype(np.float32)
  picture = np.array([-100, -70, 128, 60], np.float32)
  actual, _ = measured(x, truth, picture)
  expected = reference(x.astype(np.float32), truth, picture)
  for name, value in expected.items():
    # Sums of float32.
    np.testing.assert_allclose(getattr(actual, name), value, atol=1e-5)


def test_a_flat_response_has_no_preference(measured):
  actual, (inside, _) = measured(np.full((SIZE, SIZE, 8), 3.0))
  area = inside.mean()
  assert 0.02 < area < 0.1
  assert actual.area == pytest.approx(area)
  assert actual.energy_inside == pytest.approx(area)
  assert actual.best_overlap == pytest.approx(area)
  assert actual.distractor == 0
  np.testing.assert_array_equal(actual.peaks, 1)


def test_a_response_in_the_box_alone_is_perfect(measured):
  _, (inside, _) = measured(np.zeros((SIZE, SIZE, 2)))
  actual, _ = measured(inside[..., None] * np.array([1.0, -2.0]))
  assert actual.energy_inside == actual.best_overlap == 1
  assert actual.distractor == 0


def test_the_flank_of_the_targets_peak_is_no_distractor(measured):
  distance = np.linalg.norm(grid.points(SIZE, STRIDE) - TRUTH[:2], axis=-1)
  # The peak falls over the whole response, and is hot outside the grown box.
  falling = np.exp(-distance / 200)[..., None] * np.array([1.0, 2.0])
  actual, (_, outside) = measured(falling)
  assert falling.sum(axis=-1)[outside].max() > 2
  assert actual.distractor == 0
  assert np.isnan([actual.distractor_heat, actual.cosine]).all()
  # A bump on the flank has more heat than all cells around it.
  falling[2, 11] *= 1.5
  actual, _ = measured(falling)
  assert actual.distractor == 1
  assert actual.cosine == pytest.approx(1)


@pytest.mark.parametrize(
  ('peaks', 'exists'),
  [
    ({(3, 4): 1.0}, True),
    # Two equal neighbours.
    ({(3, 4): 1.0, (3, 5): 1.0}, False),
    # Diagonal neighbours: only the hotter one is a distractor.
    ({(3, 4): 1.0, (4, 5): 2.0}, True),
    ({(0, 4): 1.0}, False),
    ({(14, 14): 1.0}, False),
    # In the doubled box, which is 100 px wide and 68 px high.
    ({(8, 9): 1.0}, False),
    # Next to the doubled box, on the flank of a peak in it.
    ({(8, 9): 2.0, (8, 10): 1.0}, False),
    # At 80 px to the right, where the picture ends.
    ({(3, 12): 1.0}, False),
    ({(3, 11): 1.0}, True),
    # On the flank of a peak in the padding.
    ({(3, 11): 1.0, (3, 12): 2.0}, False),
  ],
)
def test_a_distractor_is_a_peak_that_the_image_shows_outside_the_grown_box(
  measured, peaks, exists
):
  x = np.zeros((SIZE, SIZE, 2))
  x[8, 7] = 5.0
  for cell, value in peaks.items():
    x[cell] = value
  picture = np.array([-128, -128, 80, 128], np.float32)
  actual, _ = measured(x, picture=picture)
  assert actual.distractor == exists
  # Both channels are equal, and the target's heat is 10.
  largest = 2 * max(peaks.values()) / 10 if exists else np.nan
  np.testing.assert_allclose(actual.distractor_heat, largest)


def test_a_constant_offset_changes_the_plain_cosine_alone(measured):
  x = np.random.default_rng(0).standard_normal((SIZE, SIZE, 8))
  x[8, 7], x[2, 11] = 20.0, -10.0
  plain, _ = measured(x)
  shifted, _ = measured(x + 3 * np.sign(x[8, 7]))
  assert plain.centered_cosine == pytest.approx(-1, abs=0.02)
  # Sums of float32.
  assert shifted.centered_cosine == pytest.approx(
    plain.centered_cosine, abs=1e-5
  )
  assert shifted.cosine > plain.cosine - 1


@pytest.mark.parametrize('factor', [1e-30, 1e30])
def test_the_scale_of_a_response_has_no_influence(measured, factor):
  x = np.random.default_rng(0).standard_normal((SIZE, SIZE, 8))
  for one, other in zip(
    jax.tree.leaves(measured(x)),
    jax.tree.leaves(measured(factor * x)),
    strict=True,
  ):
    # The factor is rounded.
    np.testing.assert_allclose(one, other, rtol=1e-5)


@pytest.mark.parametrize(
  ('distractor', 'cosine'),
  [((2, 0), 1.0), ((-2, 0), -1.0), ((0, 2), 0.0), ((1, 1), 0.5**0.5)],
)
def test_the_cosine_compares_the_target_with_the_distractor(
  measured, distractor, cosine
):
  x = np.zeros((SIZE, SIZE, 2))
  # Locations in the search crop: (-16, 16) and (80, -96).
  x[8, 6], x[1, 12] = (3, 0), distractor
  # A hotter cell next to the target is neither target nor distractor.
  x[8, 9] = (0, 5)
  actual, (inside, outside) = measured(x)
  assert inside[8, 6]
  assert outside[1, 12]
  assert not inside[8, 9]
  assert not outside[8, 9]
  assert actual.cosine == pytest.approx(cosine, abs=1e-6)
  heat = np.abs(distractor).sum()
  assert actual.distractor_heat == pytest.approx(heat / 3)


def test_peaks_are_maxima_of_channels_relative_to_the_strongest(measured):
  x = np.zeros((SIZE, SIZE, 3))
  x[2, 3, 0], x[8, 8, 1], x[5, 5, 2] = 1.0, -4.0, 2.0
  actual, _ = measured(x)
  ranks = [response.RANKS.index(rank) for rank in (0, 0.5, 1)]
  np.testing.assert_array_equal(actual.peaks[ranks], [0.25, 0.5, 1])


def test_a_single_channel_has_neither_cosine_nor_peaks(measured):
  x = np.random.default_rng(0).uniform(1, 2, (SIZE, SIZE, 1))
  actual, _ = measured(x)
  assert np.isnan(actual.cosine)
  assert np.isnan(actual.peaks).all()
  assert 0 < actual.energy_inside < 1


def test_a_dead_response_is_undefined_except_for_its_overlap(measured):
  actual, (inside, _) = measured(np.zeros((SIZE, SIZE, 4)))
  for name in ('cosine', 'distractor_heat', 'energy_inside'):
    assert np.isnan(getattr(actual, name))
  assert actual.distractor == 0
  assert np.isnan(actual.peaks).all()
  assert actual.best_overlap == pytest.approx(inside.mean())


def test_a_tiny_target_has_one_cell_and_a_huge_one_no_background(measured):
  x = np.ones((SIZE, SIZE, 2))
  tiny = np.array([6.0, -5.0, 4.0, 4.0], np.float32)
  _, (inside, _) = measured(x, tiny)
  assert np.argwhere(inside).tolist() == [[7, 7]]
  huge, (_, outside) = measured(x, np.array([0, 0, 200, 200], np.float32))
  assert not outside.any()
  assert np.isnan([huge.cosine, huge.distractor_heat]).all()
  assert huge.best_overlap == pytest.approx(huge.area)


def small(name, fusion_name, **more):
  return trackers.make(
    name, fusion=fusion_name, width=1 / 16, search_size=191, **more
  )


@pytest.mark.parametrize(
  ('tracker', 'paths'),
  [
    (
      ('nanotrack', 'residual_acm', {'hidden': 16}),
      ['cls/acm', 'cls/xcorr', 'loc/acm', 'loc/xcorr'],
    ),
    (
      (
        'siamban',
        'dw_xcorr',
        {'backbone': 'resnet50', 'levels': (2, 3), 'hidden': 16},
      ),
      [f'{n}_{level}/fusion' for n in ('cls', 'loc') for level in (2, 3)],
    ),
    (('siamfc', 'xcorr', {}), ['fusing']),
  ],
  ids=['nanotrack', 'siamban', 'siamfc'],
)
def test_every_outermost_fusion_is_recorded(tracker, paths):
  name, fusion_name, more = tracker
  shapes = measure.response_shapes(small(name, fusion_name, **more))
  assert sorted(shapes) == paths
  assert len({shape[0] for shape in shapes.values()}) == 1


def test_a_fusion_that_a_user_adds_is_recorded_as_the_network_computes_it(
  monkeypatch,
):
  kind = attention_test.Attention
  monkeypatch.setitem(fusion.FUSIONS, 'attention', kind)
  tracker = attention_test.make('attention')
  filled = variables.fill(tracker.init_variables)
  crops = [
    jnp.asarray(np.random.default_rng(0).uniform(0, 255, (1, n, n, 3)))
    for n in (tracker.template_size, tracker.search_size)
  ]

  @jax.jit
  def run(filled, template, search):
    kernel = tracker.encode(filled, template, jnp.ones((1, 2)))
    with response.recording() as recorded:
      tracker.respond(filled, kernel, search)
    _, sown = tracker.network.apply(
      filled,
      kernel,
      tracker.preprocess(search),
      method='respond',
      mutable=['intermediates'],
    )
    return recorded, sown['intermediates']

  recorded, sown = run(filled, *crops)
  assert sorted(recorded) == ['cls_5/fusion', 'loc_5/fusion']
  for name in ('cls', 'loc'):
    (expected,) = sown[f'{name}5']
    # The same operations, compiled twice.
    np.testing.assert_allclose(
      recorded[f'{name}_5/fusion'], expected, rtol=1e-5, atol=1e-5
    )


def test_further_templates_do_not_repeat_the_backbone_for_the_search_crop():
  tracker = small('nanotrack', 'acm', hidden=16)
  search = jax.ShapeDtypeStruct((2, 191, 191, 3), jnp.uint8)
  template = jax.ShapeDtypeStruct((2, 127, 127, 3), jnp.uint8)
  size, box = (jax.ShapeDtypeStruct((2, n), jnp.float32) for n in (2, 4))

  def flops(program, *args):
    return program.lower(*args).compile().cost_analysis()['flops']

  def with_templates(*kinds):
    templates = dict.fromkeys(kinds, template), dict.fromkeys(kinds, size)
    args = tracker, trackers.shapes(tracker), search, box, box, *templates
    return flops(measure.measure, *args)

  one, two = with_templates('right'), with_templates('right', 'other')
  # A template has less than half of the pixels of the search crop.
  assert two < 1.6 * one


@pytest.mark.parametrize(
  ('tracker', 'expected'),
  [
    (('nanotrack', 'acm'), True),
    (('nanotrack', 'acm', {'fusion_options': {'prior': False}}), False),
    (('nanotrack', 'nano_xcorr'), False),
    (('nanotrack', 'residual_acm'), True),
    (('siamfc', 'acm'), True),
    (('siamfc', 'xcorr'), False),
  ],
  ids=str,
)
def test_a_network_with_a_prior_reads_the_size_of_the_box(tracker, expected):
  name, fusion_name, *more = tracker
  options = more[0] if more else {}
  assert measure.has_prior(small(name, fusion_name, **options)) == expected


@pytest.mark.parametrize('scale', [1.0, 1e30])
def test_a_response_that_overflows_is_marked(scale):
  tracker = small('siamfc', 'xcorr')
  filled = variables.fill(tracker.init_variables)
  crops = [
    np.random.default_rng(0).integers(0, 256, (2, n, n, 3), np.uint8)
    for n in (tracker.search_size, tracker.template_size)
  ]
  boxes = np.array([[0, 0, 50, 50.0], [3, 5, 60, 40]], np.float32)
  filled = jax.tree.map(lambda x: x * np.float32(scale), filled)
  found = measure.measure(
    tracker,
    filled,
    crops[0],
    boxes,
    np.tile(WHOLE, (2, 1)),
    {'right': crops[1]},
    {'right': boxes[:, 2:]},
  )
  assert found.finite.tolist() == [scale == 1.0] * 2


def test_a_tracker_without_a_fusion_is_refused(monkeypatch):
  monkeypatch.setattr(response, 'Fusion', attention_test.Attention)
  with pytest.raises(ValueError, match='SiamFc: its network has no Fusion'):
    measure.response_shapes(small('siamfc', 'xcorr'))
