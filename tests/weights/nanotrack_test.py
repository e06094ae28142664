"""Tests that only weights of NanoTrackV3 are converted."""

import numpy as np
import pytest

from acm_jax.weights import convert
from tests import formulas

CONFIG = {
  'name': 'nanotrack',
  'backbone': 'mobilenet_v3_small',
  'levels': (9,),
}


@pytest.mark.parametrize(
  ('version', 'keys'),
  [
    (1, ['ban_head.corr_pw.CA_layer.fc1.weight']),
    (2, ['ban_head.corr_pw_reg.CA_layer.fc1.weight']),
  ],
)
def test_versions_1_and_2_are_detected_and_refused(version, keys):
  weights = dict.fromkeys(keys, np.ones(3, np.float32))
  with pytest.raises(ValueError, match=f'weights of NanoTrackV{version}, but'):
    convert.convert('nanotrack', weights, CONFIG)


def test_missing_and_unknown_keys_are_named():
  weights = formulas.state_dict('nanotrack_v3')
  weights['ban_head.other'] = weights.pop('ban_head.bbox_pred.0.bias')
  with pytest.raises(ValueError, match=r'bbox_pred\.0\.bias is missing; .*oth'):
    convert.convert('nanotrack', weights, CONFIG)
