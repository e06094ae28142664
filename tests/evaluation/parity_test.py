"""Published results, compared with the scores that pysot's code gives."""

import numpy as np
import pytest

from acm_jax.evaluation import (
  annotations,
  benchmarks,
  outcome,
  scoring,
  toolkits,
)

# Success, precision and normalised precision that pysot's own code computes
# from these files, rounded to four decimals.
PUBLISHED = {
  'OTB100': {
    'MDNet': (0.6776, 0.9089, 0.8583),
    'SiamFC': (0.5868, 0.7717, 0.7187),
    'SiamRPN': (0.6292, 0.8468, 0.7810),
    'SiamRPN++': (0.6955, 0.9054, 0.8598),
  },
  'UAV123': {
    'SiamFC': (0.4996, 0.7205, 0.6790),
    'maoyy_SiamRPN': (0.5824, 0.7743, 0.7409),
  },
  'NFS30': {
    'SiamBAN': (0.5946, 0.6994, 0.7272),
    'UPDT': (0.5390, 0.6528, 0.6983),
  },
  'DTB70': {
    'LightTrack': (0.5908, 0.7644, 0.7154),
    'SiamAPN': (0.5857, 0.7840, 0.7307),
  },
  'LaSOT': {'SiamRPN++': (0.4956, 0.4914, 0.5694)},
}
# Rounding to four decimals differs by up to 5e-5. The rest is a margin for
# frames that count differently because pysot's thresholds differ in the last
# bit.
ROUNDING = 1.5e-4


@pytest.mark.parametrize('folder', PUBLISHED)
def test_published_results_get_their_published_scores(real_data, folder):
  root = real_data / 'benchmarks' / folder
  results = [root / 'results' / name for name in PUBLISHED[folder]]
  report = scoring.compute(folder.lower(), root, results)
  assert not report.missing
  for tracker, expected in PUBLISHED[folder].items():
    figures = report.figures()[tracker]
    found = [
      figures[name]
      for name in ('success_auc', 'precision_20', 'normalized_precision_20')
    ]
    np.testing.assert_allclose(found, expected, atol=ROUNDING)


def test_results_that_end_early_are_reported(real_data):
  root = real_data / 'benchmarks' / 'OTB100'
  report = scoring.compute('otb100', root, [root / 'results' / 'MDNet'])
  assert report.short == {'MDNet': {'Board': 697, 'Twinnings': 471}}


def test_the_annotation_of_lasot_as_a_result_misses_absent_frames(real_data):
  # Absent frames are misses, so even the true boxes do not score 1.
  root = real_data / 'benchmarks' / 'LaSOT'
  truths = annotations.read(benchmarks.get('lasot'), root).values()
  mean = outcome.mean([toolkits.pysot(t.box_xywh, t) for t in truths])
  assert mean['success_auc'] == pytest.approx(0.9274, abs=ROUNDING)
  assert mean['precision_20'] == pytest.approx(0.9738, abs=ROUNDING)


@pytest.mark.parametrize(
  ('folder', 'sequences', 'frames'),
  [
    ('OTB100', 100, 59035),
    ('UAV123', 123, 112578),
    ('UAV20L', 20, 58670),
    ('NFS30', 100, 47953),
    ('LaSOT', 280, 685360),
  ],
)
def test_annotations_are_complete(real_data, folder, sequences, frames):
  benchmark = benchmarks.get(folder.lower())
  truths = annotations.read(benchmark, real_data / 'benchmarks' / folder)
  assert len(truths) == sequences
  assert sum(truth.frames for truth in truths.values()) == frames


def test_official_folders_and_json_of_otb_have_the_same_annotations(real_data):
  benchmark = benchmarks.get('otb100')
  json = annotations.read(benchmark, real_data / 'benchmarks' / 'OTB100')
  official = annotations.read(benchmark, real_data / 'sequences' / 'OTB100')
  assert {'Jogging-1', 'Jogging-2', 'Couple'} <= set(official)
  for name, truth in official.items():
    # The folders may have only the first frames. Boxes from folders are
    # float32, which rounds coordinates below 1000 px by at most 3e-5 px.
    expected = json[name].box_xywh[: truth.frames]
    np.testing.assert_allclose(truth.box_xywh, expected, atol=1e-4)
