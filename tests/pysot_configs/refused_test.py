"""Experiments that cannot be converted are refused in one line."""

import re

import pytest

from acm_jax.pysot_configs import convert
from tests.pysot_configs.yaml_files import (
  ALEXNET,
  NANOTRACK,
  SIAMBAN,
  SIAMRPN,
  changed,
  write,
)


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    (
      {'TRACK__PENALTYK': 0.1},
      'siamban has no such key: TRACK.PENALTYK (nearest: TRACK.PENALTY_K',
    ),
    (
      {'DATASET__TEMPLTE': {'SHIFT': 4}},
      'has no such key: DATASET.TEMPLTE.SHIFT (nearest: DATASET.TEMPLATE.SHIFT',
    ),
    ({'DATASET__NAMES': ['VDI']}, "NAMES=['VDI']: DATASET has no section VDI"),
    ({'TRACK__LR': 'high'}, "TRACK.LR='high': give a number"),
    ({'TRACK__LR': True}, 'TRACK.LR=True: give a number'),
    ({'TRACK__LR': 33}, 'TRACK.LR=33: give a number from 0 to 1'),
    (
      {'TRACK__PENALTY_K': float('nan')},
      'TRACK.PENALTY_K=nan: give a number of 0 or more',
    ),
    (
      {'TRAIN__WEIGHT_DECAY': float('inf')},
      'TRAIN.WEIGHT_DECAY=inf: give a number of 0 or more',
    ),
    (
      {'TRAIN__LR__KWARGS__start_lr': 0},
      'TRAIN.LR.KWARGS.start_lr=0: give a number above 0',
    ),
    ({'DATASET__NEG': 7}, 'DATASET.NEG=7: give a number from 0 to 1'),
    (
      {'TRAIN__BATCH_SIZE': -28},
      'TRAIN.BATCH_SIZE=-28: give a whole number above 0',
    ),
    (
      {'TRACK__EXEMPLAR_SIZE': 127.5},
      'TRACK.EXEMPLAR_SIZE=127.5: give a whole number',
    ),
    (
      {'DATASET__VIDEOS_PER_EPOCH': 0},
      'VIDEOS_PER_EPOCH=0: give a whole number above 0, or -1 for all',
    ),
    ({'DATASET__NAMES': 3}, 'DATASET.NAMES=3: give a list of names'),
    ({'ADJUST__ADJUST': 1}, 'ADJUST.ADJUST=1: give true or false'),
    ({'BACKBONE__TYPE': 'vgg'}, 'BACKBONE.TYPE=vgg: unknown; choose from alex'),
    ({'BACKBONE__TYPE': None}, 'has no BACKBONE.TYPE; add it'),
    ({'BAN__TYPE': 'UPChannelBAN'}, 'BAN.TYPE=UPChannelBAN: only MultiBAN can'),
    ({'BAN__BAN': False}, 'BAN.BAN=False: only True can be used'),
    (
      {'BAN__KWARGS__cls_out_channels': 1},
      'BAN.KWARGS.cls_out_channels=1: only 2 can be used',
    ),
    (
      {'POINT__STRIDE': 16},
      'POINT.STRIDE=16: follows from the network, and mu',
    ),
    (
      {'TRACK__BASE_SIZE': 7},
      'TRACK.BASE_SIZE=7: follows from the network, an',
    ),
    (
      {'ADJUST__KWARGS__in_channels': [512, 1024, 1024]},
      'the backbone has [512, 1024, 2048]',
    ),
    (
      {'ADJUST__KWARGS__out_channels': [256, 256, 128]},
      'the head has [256, 256, 256]',
    ),
    (
      {'BAN__KWARGS__in_channels': [256, 256]},
      '2 levels, but the backbone has 3',
    ),
    (
      {'BACKBONE__KWARGS__used_layers': [2, 3, 7]},
      'BACKBONE.KWARGS: `levels`=(2, 3, 7): resnet50 has levels 2 to 4',
    ),
    (
      {'BACKBONE__TRAIN_LAYERS': ['layer9']},
      "TRAIN_LAYERS=['layer9']: the backbone has no layer layer9",
    ),
    ({'BAN': None}, 'has neither a section RPN nor a section BAN'),
  ],
  ids=lambda value: value if isinstance(value, str) else '',
)
def test_an_experiment_that_cannot_be_converted_is_refused(
  tmp_path, changes, message
):
  path = write(tmp_path, changed(SIAMBAN, **changes))
  with pytest.raises(ValueError, match=re.escape(message)) as error:
    convert.convert(path)
  assert str(error.value).startswith(f'{path}: ')


def test_anchors_must_have_positive_ratios(tmp_path):
  path = write(tmp_path, changed(SIAMRPN, ANCHOR__RATIOS=[0, -1, 1, 2, 3]))
  message = r'ANCHOR\.RATIOS=\[0, -1, 1, 2, 3\]: give a list of numbers above 0'
  with pytest.raises(ValueError, match=message):
    convert.convert(path)


def test_gpus_are_refused_without_keys_on_training(tmp_path):
  path = write(tmp_path, ALEXNET)
  with pytest.raises(ValueError, match=r'`gpus`=8: .*no keys on training; lea'):
    convert.convert(path, gpus=8)


def test_nanotrack_v1_and_v2_are_refused(tmp_path):
  path = write(tmp_path, changed(NANOTRACK, BACKBONE__TYPE='mobilenetv3_small'))
  with pytest.raises(ValueError, match='NanoTrackV1 and V2 have another netw'):
    convert.convert(path)


@pytest.mark.parametrize(
  ('text', 'message'),
  [
    ('', 'has no keys; give the config.yaml'),
    ('- 1', 'has no keys; give the config.yaml'),
    ('a: [1', 'not YAML ('),
    ('TRACK: {LR: 1, LR: 2}', 'LR occurs twice'),
  ],
  ids=['empty', 'list', 'damaged', 'twice'],
)
def test_a_malformed_file_is_refused(tmp_path, text, message):
  (tmp_path / 'config.yaml').write_text(text)
  with pytest.raises(ValueError, match=re.escape(message)):
    convert.convert(tmp_path / 'config.yaml')


def test_another_source_than_that_of_the_file_is_refused(tmp_path):
  with pytest.raises(ValueError, match=r'config\.yaml is an experiment of sia'):
    convert.convert(write(tmp_path, SIAMBAN), 'siamrpn')
