"""Official experiments become configs with their values."""

import pytest

from acm_jax.host import config_files
from acm_jax.pysot_configs import convert, keys
from acm_jax.pysot_configs.experiment import Experiment
from acm_jax.training import plan
from tests.pysot_configs.yaml_files import (
  ALEXNET,
  NANOTRACK,
  SIAMBAN,
  SIAMRPN,
  changed,
  rates,
  write,
)

LONG_TERM = changed(
  SIAMRPN,
  TRAIN=None,
  DATASET=None,
  BACKBONE__TRAIN_LAYERS=None,
  BACKBONE__TRAIN_EPOCH=None,
  BACKBONE__LAYERS_LR=None,
  BACKBONE__CHANNELS=[512, 1024, 2048],
  ADJUST__KWARGS__out_channels=[128, 256, 512],
  RPN__KWARGS__in_channels=[128, 256, 512],
  TRACK__TYPE='SiamRPNLTTracker',
  TRACK__CONFIDENCE_LOW=0.8,
)
OTB = changed(
  SIAMRPN,
  BACKBONE__TRAIN_LAYERS=['layer1', 'layer2', 'layer3', 'layer4'],
  RPN__KWARGS__weighted=False,
  DATASET__GRAY=0.2,
)
TRAINED_ALEXNET = changed(
  ALEXNET,
  BACKBONE__TYPE='alexnet',
  BACKBONE__TRAIN_LAYERS=['layer4', 'layer5'],
  BACKBONE__LAYERS_LR=1.0,
  TRAIN={
    'EPOCH': 50,
    'BATCH_SIZE': 128,
    'BASE_SIZE': 0,
    'OUTPUT_SIZE': 17,
    'BASE_LR': 0.005,
    **rates(0.005, 0.01, 0.0005),
  },
  DATASET={**SIAMRPN['DATASET'], 'NEG': 0.05},
)
ANCHORS = changed(
  ALEXNET,
  ANCHOR={'STRIDE': 8, 'RATIOS': [0.5, 2], 'SCALES': [4, 8]},
  RPN__KWARGS__anchor_num=4,
)
FROZEN = {'from_epoch': 0, 'rates': (('backbone/', 0.0), ('', 1.0))}


def gpus(count):
  return {'train.norm_groups': count, 'train.gradient_factor': float(count)}


# Experiment, GPUs, nearest config, and all values that differ from it.
CASES = {
  'siamrpn': (
    SIAMRPN,
    8,
    'siamrpn',
    {
      'hparams.penalty_k': 0.04,
      'hparams.window_influence': 0.44,
      'hparams.size_lr': 0.33,
      **gpus(8),
    },
  ),
  'otb': (
    OTB,
    8,
    'siamrpn',
    {
      'tracker.weighted': False,
      'hparams.penalty_k': 0.04,
      'hparams.window_influence': 0.44,
      'hparams.size_lr': 0.33,
      'augment.grey': 0.2,
      'phases.unfrozen.rates': (
        ('backbone/layer[1234]', 0.1),
        ('backbone/', 0.0),
        ('', 1.0),
      ),
      **gpus(8),
    },
  ),
  # Without keys on training, the recipe is that of the nearest config.
  'long_term': (
    LONG_TERM,
    None,
    'siamrpn',
    {
      'tracker.hidden': (128, 256, 512),
      'tracker.wide_search': 'long_term',
      'hparams.penalty_k': 0.04,
      'hparams.window_influence': 0.44,
      'hparams.size_lr': 0.33,
      'hparams.lost_score': 0.8,
      'hparams.found_score': 0.998,
    },
  ),
  'alexnet': (ALEXNET, None, 'siamrpn:backbone=alexnet_legacy', {}),
  # The rates are multiplied by BASE_LR / LR.KWARGS.start_lr = 1 / 2.
  'trained_alexnet': (
    TRAINED_ALEXNET,
    16,
    'siamrpn:backbone=alexnet',
    gpus(16),
  ),
  'anchors': (
    ANCHORS,
    None,
    'siamrpn:backbone=alexnet_legacy',
    {
      'tracker.anchor_scales': (4.0, 8.0),
      'tracker.anchor_ratios': (0.5, 2.0),
    },
  ),
  'up_xcorr': (
    changed(ALEXNET, RPN={'TYPE': 'UPChannelRPN'}),
    None,
    'siamrpn:backbone=alexnet_legacy,fusion=up_xcorr',
    {},
  ),
  'mobilenet': (
    changed(
      SIAMRPN,
      BACKBONE={'TYPE': 'mobilenetv2', 'KWARGS': {'width_mult': 1.4}},
      ADJUST__KWARGS__in_channels=[44, 134, 448],
      RPN__KWARGS__weighted=False,
      TRACK__PENALTY_K=0.04,
      TRACK__WINDOW_INFLUENCE=0.4,
      TRACK__LR=0.5,
      TRAIN=None,
      DATASET=None,
    ),
    None,
    'siamrpn:backbone=mobilenet_v2',
    {},
  ),
  'siamban': (
    SIAMBAN,
    3,
    'siamban',
    {
      'hparams.penalty_k': 0.02,
      'hparams.window_influence': 0.45,
      'hparams.size_lr': 0.47,
      **gpus(3),
    },
  ),
  'nanotrack': (NANOTRACK, 1, 'nanotrack', {}),
}


@pytest.mark.parametrize('case', CASES)
def test_the_config_differs_from_the_nearest_one_as_the_experiment_says(
  tmp_path, case
):
  tree, count, base, expected = CASES[case]
  path = write(tmp_path, tree)
  found = keys.flatten(convert.convert(path, gpus=count).config)
  nearest = keys.flatten(config_files.load(base))
  differs = {k: v for k, v in found.items() if v != nearest.get(k)}
  assert differs == {k: v for k, v in expected.items() if v is not None}
  assert nearest.keys() <= found.keys()


@pytest.mark.parametrize('case', CASES)
def test_the_config_can_be_trained(tmp_path, case):
  plan.make_plan(convert.convert(write(tmp_path, CASES[case][0])).config)


def test_values_of_another_recipe_are_set(tmp_path):
  tree = changed(
    SIAMBAN,
    TRACK__CONTEXT_AMOUNT=0.4,
    TRAIN__EPOCH=30,
    TRAIN__MOMENTUM=0.8,
    TRAIN__WEIGHT_DECAY='5e-5',
    TRAIN__GRAD_CLIP=5,
    TRAIN__SEARCH_SIZE=239,
    TRAIN__BASE_SIZE=8,
    TRAIN__OUTPUT_SIZE=23,
    TRAIN__PRINT_FREQ=10,
    TRAIN__LR_WARMUP={'WARMUP': False},
    BACKBONE__TRAIN_EPOCH=0,
    DATASET={
      'NAMES': ['COCO', 'MINE'],
      'COCO': {'NUM_USE': 500},
      'MINE': {'ROOT': 'mine/crop511', 'ANNO': 'mine.json', 'FRAME_RANGE': 7},
      'TEMPLATE': {'SHIFT': 8, 'FLIP': 0.5},
      'SEARCH': {'BLUR': 0.1},
      'NEG': 0.3,
    },
  )
  config = convert.convert(write(tmp_path, tree)).config
  assert config['tracker']['context_amount'] == 0.4
  train = {k: config['train'][k] for k in ('epochs', 'search_size')}
  assert train == {'epochs': 30, 'search_size': 239}
  assert config['optimizer'] == {
    'name': 'sgd',
    'momentum': 0.8,
    'weight_decay': 5e-5,
    'clip_norm': 5.0,
  }
  assert config['schedule'] == {
    'warmup_epochs': 0,
    'first_rate': 5e-3,
    'peak_rate': 5e-3,
    'last_rate': 5e-5,
  }
  assert list(config['phases']) == ['unfrozen']
  assert config['sets'] == {
    'coco': {'num_use': 500, 'gap': 1},
    'mine': {'num_use': -1, 'gap': 7},
  }
  assert config['augment']['template']['shift'] == 8
  assert config['augment']['template']['flip'] == 0.5
  assert config['augment']['search']['blur'] == 0.1
  assert config['data']['negative'] == 0.3
  assert config['log']['every'] == 10


@pytest.mark.parametrize(
  ('layers', 'epoch', 'expected'),
  [
    ([], 10, {'frozen': FROZEN}),
    (['layer4'], 50, {'frozen': FROZEN}),
    (
      ['conv1', 'bn1', 'layer4'],
      0,
      {
        'unfrozen': {
          'from_epoch': 0,
          'rates': (
            ('backbone/(layer4|stem)', 0.1),
            ('backbone/', 0.0),
            ('', 1.0),
          ),
        },
      },
    ),
    (
      ['conv1', 'bn1', 'layer1', 'layer2', 'layer3', 'layer4'],
      5,
      {
        'frozen': FROZEN,
        'unfrozen': {
          'from_epoch': 5,
          'rates': (('backbone/', 0.1), ('', 1.0)),
        },
      },
    ),
  ],
  ids=['none', 'late', 'stem', 'all'],
)
def test_phases_train_the_layers_that_the_experiment_trains(
  tmp_path, layers, epoch, expected
):
  tree = changed(
    SIAMBAN, BACKBONE__TRAIN_LAYERS=layers, BACKBONE__TRAIN_EPOCH=epoch
  )
  config = convert.convert(write(tmp_path, tree)).config
  assert config['phases'] == expected
  plan.make_plan(config)


def test_siamban_acm_is_chosen_by_its_source(tmp_path):
  path = write(tmp_path, SIAMBAN)
  converted = convert.convert(path, 'siamban_acm', 3)
  nearest = config_files.load('siamban_acm')
  assert converted.config['tracker'] == nearest['tracker']
  assert converted.config['hparams']['size_lr'] == 0.47


@pytest.mark.parametrize(
  ('tree', 'expected'),
  [
    (SIAMBAN, ['BACKBONE.PRETRAINED']),
    (
      changed(
        SIAMRPN,
        CUDA=True,
        TRAIN__CLS_WEIGHT=2.0,
        TRAIN__LR__TYPE='cos',
        TRAIN__LR_WARMUP__KWARGS__step=2,
        TRAIN__LR_WARMUP__KWARGS__end_lr=0.01,
        TRAIN__THR_HIGH=0.7,
        TRAIN__POS_NUM=16,
        TRAIN__START_EPOCH=3,
        TRAIN__RESUME='last.pth',
        DATASET__VIDEOS_PER_EPOCH=-1,
        DATASET__VID={'ROOT': 'vid', 'FRAME_RANGE': 100},
      ),
      [
        'BACKBONE.PRETRAINED',
        'TRAIN.START_EPOCH',
        'TRAIN.CLS_WEIGHT',
        'TRAIN.RESUME',
        'TRAIN.LR.TYPE',
        'TRAIN.LR_WARMUP.KWARGS.end_lr',
        'TRAIN.LR_WARMUP.KWARGS.step',
        'TRAIN.THR_HIGH',
        'DATASET.VIDEOS_PER_EPOCH',
        'DATASET.VID.ROOT',
      ],
    ),
    (
      changed(
        ALEXNET,
        MASK={
          'MASK': True,
          'TYPE': 'MaskCorr',
          'KWARGS': {'hidden': 256, 'oSz': 63},
        },
        REFINE={'REFINE': True},
        TRACK__TYPE='SiamMaskTracker',
      ),
      [
        'MASK.MASK',
        'MASK.KWARGS.hidden',
        'MASK.KWARGS.oSz',
        'TRACK.TYPE',
        'REFINE.REFINE',
      ],
    ),
  ],
  ids=['siamban', 'siamrpn', 'siammask'],
)
def test_every_value_without_a_counterpart_is_listed(tmp_path, tree, expected):
  converted = convert.convert(write(tmp_path, tree))
  assert [line.partition(': ')[0] for line in converted.left] == expected
  for line in converted.left:
    assert f'\n#   {line}\n' in converted.text


@pytest.mark.parametrize('codebase', keys.USED)
def test_the_keys_that_are_read_are_those_that_are_declared(
  tmp_path, codebase, monkeypatch
):
  asked = set()
  get = Experiment.get

  def recorded(self, key, default=None):
    asked.add(key)
    return get(self, key, default)

  monkeypatch.setattr(Experiment, 'get', recorded)
  for tree, *_ in CASES.values():
    path = write(tmp_path, tree)
    if Experiment(path).codebase == codebase:
      convert.convert(path)
  assert asked
  declared = *keys.USED[codebase], *keys.FIXED, *keys.SAME
  declared = *declared, 'MASK.MASK', 'DATASET.VIDEOS_PER_EPOCH'
  assert [key for key in asked if not keys.matches(key, declared)] == []


def test_all_videos_of_an_epoch_keep_the_number_of_the_nearest_config(
  tmp_path,
):
  tree = changed(SIAMBAN, DATASET__VIDEOS_PER_EPOCH=-1)
  converted = convert.convert(write(tmp_path, tree))
  assert converted.config['train']['pairs_per_epoch'] == 1_000_000
  line = 'DATASET.VIDEOS_PER_EPOCH: -1 (set train.pairs_per_epoch)'
  assert line in converted.left


@pytest.mark.parametrize(
  ('name', 'expected'),
  [
    ('siamrpn_r50_l234_dwxcorr_8gpu/config.yaml', None),
    ('experiments/siammask.yaml', 'siammask'),
    ('2024 mine/config.yml', '2024_mine'),
  ],
)
def test_a_config_has_the_name_of_its_experiment(tmp_path, name, expected):
  path = tmp_path / name
  path.parent.mkdir()
  write(path.parent, SIAMRPN).rename(path)
  assert convert.convert(path).name == (expected or path.parent.name)


def test_a_config_does_not_hide_the_one_that_it_imports(tmp_path):
  (tmp_path / 'nanotrack').mkdir()
  converted = convert.convert(write(tmp_path / 'nanotrack', NANOTRACK))
  assert converted.name == 'nanotrack_yaml'
  path = tmp_path / f'{converted.name}.py'
  path.write_text(converted.text)
  assert config_files.load(str(path)) == converted.config


def test_names_in_a_file_cannot_add_code(tmp_path):
  tree = changed(
    SIAMBAN,
    TRAIN__RESUME='"""\nraise SystemExit',
    **{'DATASET__X\n1/0': {'ROOT': 'a', 'ANNO': 'b'}},
  )
  folder = tmp_path / 'a"""\nimport b'
  folder.mkdir()
  converted = convert.convert(write(folder, tree))
  assert converted.name == 'a_import_b'
  assert 'TRAIN.RESUME: \'"""\\nraise SystemExit\'' in converted.left
