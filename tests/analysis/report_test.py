"""The tables explain what is undefined."""

import numpy as np
import pytest

from acm_jax.analysis import report
from acm_jax.analysis.estimates import Estimate
from acm_jax.analysis.findings import RESPONSES, TEMPLATES

KNOWN = Estimate(0.5, 0.4, 0.6, 10, 5)
UNKNOWN = Estimate(np.nan, np.nan, np.nan, 0, 0)
COSINES = {'cosine', 'centered_cosine'}


@pytest.mark.parametrize(
  ('undefined', 'cause'),
  [
    (
      {*COSINES, 'median_peak'},
      'a single channel has no direction, and no other to compare with',
    ),
    ({*COSINES, 'distractor_heat'}, 'no pair has a distractor'),
    (
      {*COSINES, 'distractor_heat', 'energy_inside', 'median_peak', 'change'},
      'the response is zero for all pairs',
    ),
    (
      {'size_change'},
      "the network does not read the size of the target's box",
    ),
  ],
)
def test_the_note_names_the_cause_of_an_undefined_mean(
  tmp_path, undefined, cause
):
  means = {name: UNKNOWN if name in undefined else KNOWN for name in RESPONSES}
  templates = {'right': dict.fromkeys(TEMPLATES, KNOWN)}
  tree = {'responses': {'cls/acm': means}, 'templates': templates, 'gaps': {}}
  text = report.write({}, {'tracker': tree}, None, tmp_path)
  (row,) = [line for line in text.splitlines() if 'cls/acm' in line]
  assert row.count(' - ') == len(undefined)
  _, *causes = [line for line in text.splitlines() if line.startswith('`-`')]
  assert causes == [f'`-`: {cause}.']
