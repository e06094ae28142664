"""Tests of the command convert: official weights become a checkpoint."""

import bisect
import json
import re
import sys

import numpy as np
import pytest

from acm_jax import convert, train
from acm_jax.host import command
from acm_jax.training import trained, workdir
from acm_jax.weights import verify
from data_pipelines import clip_writer, synthetic_set
from tests import classifiers, formulas
from tests.pysot_configs import yaml_files

SMALL = 'configs/siamban_acm.py:small'


@pytest.fixture
def run(monkeypatch):
  """Returns a function that runs the command, and returns its exit code."""

  def run(*flags):
    argv = ['convert', *map(str, flags)]
    # ml_collections reads overrides such as --config.a.b from sys.argv.
    monkeypatch.setattr(sys, 'argv', argv)
    return command.run(convert.define, convert.main, convert.__doc__)

  return run


def make_flags(folder, source, config):
  return (
    *('--source', source, '--weights', folder / 'weights.npz'),
    *('--config', config, '--out', folder / 'out'),
  )


@pytest.fixture
def backbone(tmp_path):
  """Folder with the weights of a MobileNetV2 classifier."""
  weights = classifiers.mobilenet_v2('torchvision')
  np.savez(tmp_path / 'weights.npz', **weights)
  return tmp_path


@pytest.fixture
def official(tmp_path):
  """Returns a function that writes a reference model.

  The function returns the flags that convert and verify the model, and the
  arrays of the reference.
  """

  def write(model, search_size, source, config, rename=lambda key: key):
    weights = formulas.state_dict(model)
    weights = {rename(key): value for key, value in weights.items()}
    np.savez(tmp_path / 'weights.npz', **weights)
    inputs = {
      name: np.moveaxis(formulas.image(name, size), -1, 1)
      for name, size in (('template', 127), ('search', search_size))
    }
    reference = {**inputs, **formulas.load(model)}
    np.savez(tmp_path / 'reference.npz', **reference)
    flags = make_flags(tmp_path, source, config)
    return (*flags, '--verify', tmp_path / 'reference.npz'), reference

  return write


def worst(printed):
  """Returns the largest of the printed relative errors."""
  lines = [line for line in printed.splitlines() if 'largest error' in line]
  return max(float(line.split(', ')[1].split()[0]) for line in lines)


def test_official_weights_reproduce_the_official_outputs(
  run, official, tmp_path, capsys
):
  flags, _ = official(
    'siamban_acm_r50', 255, 'siamban_acm', 'configs/siamban_acm.py'
  )
  assert run(*flags) == command.DONE
  printed = capsys.readouterr().out
  assert '547 arrays written' in printed
  # The reference is float64; outputs in float32 differ by about 2e-6 on a CPU.
  assert worst(printed) < 1e-5
  assert trained.load(str(tmp_path / 'out')).tracker.template_size == 127


# Index of the first module of each layer in got-10k/siamfc.
LAYERS = (0, 4, 8, 11, 14)


def as_huanglianghua(key):
  """Renames a key of got-10k/siamfc as in huanglianghua/siamfc-pytorch."""
  _, index, leaf = key.split('.')
  layer = bisect.bisect(LAYERS, int(index))
  return f'backbone.conv{layer}.{int(index) - LAYERS[layer - 1]}.{leaf}'


def test_nothing_is_written_when_verification_fails(
  run, official, tmp_path, capsys
):
  flags, reference = official(
    'siamfc_alexv1', 255, 'siamfc', 'configs/siamfc.py'
  )
  reference['response'] = 1.002 * reference['response']
  np.savez(tmp_path / 'reference.npz', **reference)
  assert run(*flags) == command.FAILED
  printed = capsys.readouterr()
  assert 'response: largest error' in printed.out
  assert 'arrays written' not in printed.out
  assert 'differs from the reference' in printed.err
  names = sorted(path.name for path in tmp_path.iterdir())
  assert names == ['reference.npz', 'weights.npz']


@pytest.mark.parametrize(
  'rename', [str, as_huanglianghua], ids=['got-10k', 'huanglianghua']
)
def test_both_namings_of_siamfc_reproduce_the_official_response(
  run, official, tmp_path, capsys, rename
):
  flags, _ = official(
    'siamfc_alexv1', 255, 'siamfc', 'configs/siamfc.py', rename
  )
  assert run(*flags) == command.DONE
  assert worst(capsys.readouterr().out) < 1e-5
  assert trained.load(str(tmp_path / 'out')).tracker.search_scales[1] == 1


def test_a_backbone_is_converted_and_ignored_layers_listed(
  run, backbone, capsys
):
  assert run(*make_flags(backbone, 'mobilenet', SMALL)) == command.DONE
  printed = capsys.readouterr().out
  assert 'ignored: classifier, layer6' in printed
  _, variables = trained.read(backbone / 'out')
  assert set(variables['params']) == {'backbone'}


def test_a_mobilenet_v3_is_converted_up_to_its_ninth_block(
  run, tmp_path, capsys
):
  np.savez(tmp_path / 'weights.npz', **classifiers.mobilenet_v3())
  flags = make_flags(tmp_path, 'mobilenet_v3', 'nanotrack_acm')
  assert run(*flags) == command.DONE
  printed = capsys.readouterr().out.splitlines()
  assert printed[0].startswith('163 arrays written')
  assert printed[1] == ('ignored: classifier, features.10, features.11')


@pytest.mark.parametrize(
  ('first', 'second', 'message'),
  [
    ('model.', 'ema_model.module.', None),
    (
      'encoder_q.',
      'encoder_k.',
      r'several networks fit \(encoder_q., encoder_k',
    ),
  ],
)
def test_of_two_networks_in_a_state_dict_the_model_is_taken(
  run, tmp_path, capsys, first, second, message
):
  network = classifiers.resnet18()
  both = {first + key: value for key, value in network.items()}
  both |= {second + key: value + 1 for key, value in network.items()}
  both[f'{second}n_averaged'] = np.array(1)
  np.savez(tmp_path / 'weights.npz', **both)
  flags = make_flags(tmp_path, 'resnet', 'configs/siamrpn.py:backbone=resnet18')
  if message:
    assert run(*flags) == command.REFUSED
    assert re.search(message, capsys.readouterr().err)
    return
  assert run(*flags) == command.DONE
  _, variables = trained.read(tmp_path / 'out')
  mean = variables['batch_stats']['backbone']['layer1_0']['conv1']['bn']['mean']
  np.testing.assert_array_equal(mean, network['layer1.0.bn1.running_mean'])


def test_nanotrack_v1_is_named_under_a_prefix(run, tmp_path, capsys):
  weights = {'model.ban_head.corr_pw.conv.weight': np.zeros((1, 1))}
  np.savez(tmp_path / 'weights.npz', **weights)
  assert run(*make_flags(tmp_path, 'nanotrack', 'nanotrack')) == command.REFUSED
  assert 'these are weights of NanoTrackV1' in capsys.readouterr().err


def test_a_resnet18_is_converted_completely(run, tmp_path, capsys):
  np.savez(tmp_path / 'weights.npz', **classifiers.resnet18())
  config = 'configs/siamrpn.py:backbone=resnet18'
  assert run(*make_flags(tmp_path, 'resnet', config)) == command.DONE
  # Each of 20 convolutions has a kernel and the four arrays of a batch norm.
  assert capsys.readouterr().out.startswith('100 arrays written')
  _, variables = trained.read(tmp_path / 'out')
  kernel = variables['params']['backbone']['layer2_0']['downsample']['conv']
  assert kernel['kernel'].shape == (3, 3, 64, 128)


def test_all_keys_that_do_not_fit_are_listed_and_nothing_is_written(
  run, tmp_path, capsys
):
  weights = formulas.state_dict('siamfc_alexv1')
  del weights['feature.0.bias']
  weights['feature.4.weight'] = np.zeros((1, 2, 3, 4), np.float32)
  weights['feature.99.weight'] = np.zeros(3, np.float32)
  np.savez(tmp_path / 'weights.npz', **weights)
  flags = make_flags(tmp_path, 'siamfc', 'configs/siamfc.py')
  assert run(*flags) == command.REFUSED
  message = capsys.readouterr().err
  assert 'feature.0.bias is missing' in message
  wrong = 'feature.4.weight has the shape (3, 4, 2, 1) instead of (5, 5, 48, '
  assert wrong in message
  assert 'feature.99.weight is unknown' in message
  assert not (tmp_path / 'out').exists()


def test_weights_that_are_not_finite_are_refused(run, tmp_path, capsys):
  weights = formulas.state_dict('siamfc_alexv1')
  weights['feature.0.bias'][3] = np.nan
  np.savez(tmp_path / 'weights.npz', **weights)
  flags = make_flags(tmp_path, 'siamfc', 'configs/siamfc.py')
  assert run(*flags) == command.REFUSED
  assert 'not finite: feature.0.bias' in capsys.readouterr().err
  assert not (tmp_path / 'out').exists()


def test_a_checkpoint_is_converted_and_its_other_entries_listed(
  run, tmp_path, capsys
):
  torch = pytest.importorskip('torch')
  weights = formulas.state_dict('siamfc_alexv1')
  state_dict = {f'module.{k}': torch.tensor(v) for k, v in weights.items()}
  content = {'model': {'state_dict': state_dict}, 'epoch': 3, 'optimizer': {}}
  torch.save(content, tmp_path / 'weights.npz')
  flags = make_flags(tmp_path, 'siamfc', 'configs/siamfc.py')
  assert run(*flags) == command.DONE
  lines = capsys.readouterr().out.splitlines()
  assert lines[1:] == [
    'entry of the file: model.state_dict',
    'ignored: epoch, optimizer',
  ]


@pytest.mark.parametrize(
  'prefix',
  [
    *('tracker.', '_forward_module.', 'base_model.model.'),
    *('trainer.model.module.', 'model.', 'feature.'),
  ],
)
@pytest.mark.parametrize('rename', [str, as_huanglianghua])
def test_a_prefix_of_all_keys_is_removed(run, tmp_path, prefix, rename):
  weights = formulas.state_dict('siamfc_alexv1').items()
  weights = {f'{prefix}{rename(key)}': value for key, value in weights}
  np.savez(tmp_path / 'weights.npz', n_averaged=np.array(3), **weights)
  flags = make_flags(tmp_path, 'siamfc', 'configs/siamfc.py')
  assert run(*flags) == command.DONE


def test_a_prefix_around_a_backbone_is_removed(run, tmp_path):
  weights = classifiers.resnet18().items()
  weights = {f'encoder.net.{key}': value for key, value in weights}
  np.savez(tmp_path / 'weights.npz', **weights)
  config = 'configs/siamrpn.py:backbone=resnet18'
  assert run(*make_flags(tmp_path, 'resnet', config)) == command.DONE


def test_a_key_beside_a_prefix_is_named(run, tmp_path, capsys):
  weights = formulas.state_dict('siamfc_alexv1').items()
  weights = {f'tracker.{key}': value for key, value in weights}
  np.savez(tmp_path / 'weights.npz', **{'loss.a': np.ones(1)}, **weights)
  flags = make_flags(tmp_path, 'siamfc', 'configs/siamfc.py')
  assert run(*flags) == command.REFUSED
  assert capsys.readouterr().err.endswith('IO): loss.a is unknown\n')


def test_weights_of_another_network_are_refused_in_a_short_message(
  run, tmp_path, capsys
):
  weights = formulas.state_dict('nanotrack_v3')
  np.savez(tmp_path / 'weights.npz', **weights)
  flags = make_flags(tmp_path, 'siamban_acm', 'configs/siamban_acm.py')
  assert run(*flags) == command.REFUSED
  message = capsys.readouterr().err
  assert ' more; ' in message
  assert len(message) < 2000


def test_a_backbone_cannot_be_loaded_as_a_tracker(run, backbone):
  assert run(*make_flags(backbone, 'mobilenet', SMALL)) == command.DONE
  with pytest.raises(ValueError, match='only a backbone'):
    trained.load(str(backbone / 'out'))


@pytest.mark.parametrize(
  ('source', 'config', 'reason'),
  [
    ('resnet', SMALL, 'tracker.backbone of the config is mobilenet_v2'),
    ('siamban_acm', SMALL, 'conv.0.0.weight is unknown'),
    ('resnet', 'configs/siamban.py', 'not a ResNet state dict'),
    ('mobilenet', SMALL + 'er', "'smaller' is unknown"),
  ],
)
def test_weights_of_another_network_are_refused_and_nothing_is_written(
  run, backbone, capsys, source, config, reason
):
  assert run(*make_flags(backbone, source, config)) == command.REFUSED
  assert reason in capsys.readouterr().err
  assert [path.name for path in backbone.iterdir()] == ['weights.npz']


def test_weights_of_another_width_are_refused(run, backbone, capsys):
  flags = make_flags(backbone, 'mobilenet', SMALL)
  assert run(*flags, '--config.tracker.width=1.4') == command.REFUSED
  message = capsys.readouterr().err
  assert 'running_var has the shape (96,) instead of (132,)' in message


def test_a_reference_that_lacks_an_array_is_refused(run, backbone, capsys):
  flags = make_flags(backbone, 'mobilenet', SMALL)
  path = backbone / 'reference.npz'
  np.savez(path, template=np.zeros((1, 3, 127, 127)))
  assert run(*flags, '--verify', path) == command.REFUSED
  assert 'missing arrays: search; add' in capsys.readouterr().err
  assert not (backbone / 'out').exists()


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    (
      {'search': np.zeros((1, 255, 255, 3))},
      'search has the shape [1, 255, 255, 3] instead of',
    ),
    ({'bbox': np.ones(4)}, 'bbox has the shape [4] instead of [? 4]'),
    ({'cls': np.full((1, 2, 25, 25), np.nan)}, 'cls has values that are not'),
    ({'cls': np.zeros((1, 2, 0, 25))}, 'cls has the shape [1, 2, 0, 25] inst'),
    ({'cls': np.zeros((1, 2, 5, 5), complex)}, 'cls has values of the type co'),
    ({'bbox': np.ones((2, 4))}, 'template 1, search 1, bbox 2, cls 1'),
  ],
  ids=['nhwc', 'bbox', 'nan', 'empty', 'complex', 'samples'],
)
def test_a_reference_with_an_invalid_array_is_refused(
  run, backbone, capsys, changes, message
):
  image = np.zeros((1, 3, 127, 127))
  reference = {'template': image, 'search': image, 'cls': image, **changes}
  path = backbone / 'reference.npz'
  np.savez(path, **reference)
  flags = make_flags(backbone, 'mobilenet', SMALL)
  assert run(*flags, '--verify', path) == command.REFUSED
  assert message in capsys.readouterr().err
  assert not (backbone / 'out').exists()


def test_verification_fails_on_an_output_that_is_not_finite():
  with pytest.raises(RuntimeError, match='differs from the reference'):
    verify.check({'cls': (0.0, 0.0), 'loc': (np.nan, np.nan)})


# A narrow AlexNet on a data set of the user.
NARROW = yaml_files.changed(
  yaml_files.ALEXNET,
  BACKBONE__KWARGS__width_mult=0.0625,
  BACKBONE__TRAIN_EPOCH=1,
  BACKBONE__TRAIN_LAYERS=['layer5'],
  RPN__KWARGS={'anchor_num': 5, 'in_channels': 16, 'out_channels': 16},
  TRAIN={
    'EPOCH': 3,
    'BATCH_SIZE': 8,
    'BASE_SIZE': 0,
    'OUTPUT_SIZE': 17,
    **yaml_files.rates(0.001, 0.005, 0.0005),
    'LR_WARMUP': {'WARMUP': False},
    'PRINT_FREQ': 1,
  },
  DATASET={
    'NAMES': ['MINE'],
    'MINE': {'ROOT': 'crop511', 'ANNO': 'train.json'},
    'VIDEOS_PER_EPOCH': 16,
  },
)


def test_an_experiment_becomes_a_config_that_trains(
  run, tmp_path, monkeypatch, capsys
):
  tracks = synthetic_set.tracks(2, 4, (60, 80), seed=0)
  clip_writer.write(tracks, tmp_path / 'mine')
  capsys.readouterr()
  path = yaml_files.write(tmp_path, NARROW)
  monkeypatch.chdir(tmp_path)
  assert run('--config_yaml', path, '--gpus=2') == command.DONE
  assert capsys.readouterr().out.splitlines() == [
    f'{tmp_path.name}.py written: acm-jax train --config {tmp_path.name}.py',
    'without a counterpart:',
    "  DATASET.MINE.ROOT: 'crop511' (train with --data_dir)",
    "  DATASET.MINE.ANNO: 'train.json' (acm-jax prepare reads the annotations)",
  ]
  argv = ['train', '--config', f'{tmp_path.name}.py', '--data_dir', '.']
  argv += ['--workdir=run', '--config.data.source=memory']
  monkeypatch.setattr(sys, 'argv', argv)
  code = command.run(train.define, train.main, train.__doc__)
  assert code == command.DONE, capsys.readouterr().err
  config = workdir.read_config(tmp_path / 'run')
  assert config['train']['batch_size'] == 16
  assert config['tracker']['hidden'] == 16
  # One step in each of three epochs.
  rows = (tmp_path / 'run' / 'metrics.jsonl').read_text().splitlines()
  assert [json.loads(row)['step'] for row in rows] == [1, 2, 3]


def test_weights_become_the_model_of_an_experiment(
  run, official, tmp_path, capsys
):
  flags, _ = official('siamrpn_alex', 287, 'siamrpn', '-')
  changes = {'TRACK__PENALTY_K': 0.22, 'TRACK__LR': 0.295}
  experiment = yaml_files.changed(yaml_files.ALEXNET, **changes)
  path = yaml_files.write(tmp_path, experiment)
  flags = [
    str(flag).replace('--config', '--config_yaml')
    for flag in flags
    if flag not in ('--source', 'siamrpn')
  ]
  flags[flags.index('-')] = path
  assert run(*flags) == command.DONE
  printed = capsys.readouterr().out
  # See test_official_weights_reproduce_the_official_outputs.
  assert worst(printed) < 1e-5
  model = trained.load(str(tmp_path / 'out'))
  assert model.hparams.penalty_k == 0.22
  assert model.hparams.size_lr == 0.295
  assert model.hparams.window_influence == 0.4
  assert (tmp_path / 'out' / f'{tmp_path.name}.py').is_file()


@pytest.mark.parametrize(
  ('flags', 'message'),
  [
    ((), 'give either --config or --config_yaml'),
    (('--config=siamban', '--config_yaml=a'), 'give either --config or --con'),
    (('--config=siamban',), '--source missing: see --help'),
    (('--config_yaml=a.yaml', '--weights=b'), '--out missing: see --help'),
    (('--config_yaml=a.yaml', '--verify=b'), '--verify: give --weights too'),
    (('--config_yaml=a.yaml',), 'a.yaml: No such file or directory'),
    (('--config=siamban', '--gpus=8'), '--gpus: has an effect with --config_'),
  ],
)
def test_flags_that_cannot_be_combined_are_refused(run, capsys, flags, message):
  assert run(*flags) == command.REFUSED
  assert message in capsys.readouterr().err


def test_an_existing_config_is_not_replaced(run, tmp_path, capsys):
  path = yaml_files.write(tmp_path, yaml_files.ALEXNET)
  (tmp_path / f'{tmp_path.name}.py').write_text('mine')
  assert run('--config_yaml', path, '--out', tmp_path) == command.REFUSED
  assert f'{tmp_path.name}.py: already exists; choose another --out' in (
    capsys.readouterr().err
  )
  assert (tmp_path / f'{tmp_path.name}.py').read_text() == 'mine'


def test_an_experiment_that_cannot_be_trained_is_refused(run, tmp_path, capsys):
  short = yaml_files.changed(yaml_files.SIAMBAN, TRAIN__EPOCH=5)
  path = yaml_files.write(tmp_path, short)
  assert run('--config_yaml', path, '--out', tmp_path) == command.REFUSED
  assert (
    f'{path}: cannot be trained with: config.schedule: warmup_epochs=5 must be'
    in capsys.readouterr().err
  )
  assert list(tmp_path.iterdir()) == [path]


def test_the_number_of_gpus_that_is_assumed_is_printed(run, tmp_path, capsys):
  path = yaml_files.write(tmp_path, yaml_files.SIAMBAN)
  line = 'TRAIN.BATCH_SIZE is of one GPU: batch_size=28; set --gpus'
  for flags, printed in (([], True), (['--gpus=3'], False)):
    out = tmp_path / f'out{len(flags)}'
    assert run('--config_yaml', path, '--out', out, *flags) == command.DONE
    assert (line in capsys.readouterr().out) == printed
