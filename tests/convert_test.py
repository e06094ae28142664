"""The command convert: official weights in, a checkpoint out, or nothing."""

import bisect
import sys

import numpy as np
import pytest

from acm_jax import convert
from acm_jax.host import command
from acm_jax.training import checkpoints, trained
from acm_jax.weights import verify
from tests import classifiers, formulas

SMALL = 'configs/siamban_acm.py:small'


@pytest.fixture
def run(monkeypatch):
  def run(*arguments):
    argv = ['convert', *map(str, arguments)]
    # Flags of config files look here for --config.a.b.
    monkeypatch.setattr(sys, 'argv', argv)
    return command.run(convert.define, convert.main, convert.__doc__)

  return run


def arguments(folder, source, config):
  return (
    *('--source', source, '--weights', folder / 'weights.npz'),
    *('--config', config, '--out', folder / 'out'),
  )


@pytest.fixture
def backbone(tmp_path):
  weights = classifiers.mobilenet_v2('torchvision')
  np.savez(tmp_path / 'weights.npz', **weights)
  return tmp_path


@pytest.fixture
def official(tmp_path):
  """Writes weights and figures of a reference model; gives the flags."""

  def write(model, search_size, source, config, rename=lambda key: key):
    weights = formulas.state_dict(model)
    weights = {rename(key): value for key, value in weights.items()}
    np.savez(tmp_path / 'weights.npz', **weights)
    inputs = {
      name: np.moveaxis(formulas.image(name, size), -1, 1)
      for name, size in (('template', 127), ('search', search_size))
    }
    figures = {**inputs, **formulas.load(model)}
    np.savez(tmp_path / 'figures.npz', **figures)
    flags = arguments(tmp_path, source, config)
    return (*flags, '--verify', tmp_path / 'figures.npz'), figures

  return write


def worst(printed):
  """The largest of the relative errors that were printed."""
  lines = [line for line in printed.splitlines() if 'largest error' in line]
  return max(float(line.split(', ')[1].split()[0]) for line in lines)


def test_official_weights_give_the_official_outputs(
  run, official, tmp_path, capsys
):
  flags, _ = official(
    'siamban_acm_r50', 255, 'siamban_acm', 'configs/siamban_acm.py'
  )
  assert run(*flags) == command.DONE
  said = capsys.readouterr().out
  assert '547 arrays written' in said
  # float32 against float64; measured 2e-6 on a CPU.
  assert worst(said) < 1e-5
  assert trained.load(str(tmp_path / 'out')).tracker.template_size == 127


def as_huanglianghua(key):
  _, place, leaf = key.split('.')
  layer = bisect.bisect(LAYERS, int(place))
  return f'backbone.conv{layer}.{int(place) - LAYERS[layer - 1]}.{leaf}'


LAYERS = (0, 4, 8, 11, 14)


def test_figures_of_other_weights_are_not_met(run, official, tmp_path):
  flags, figures = official('siamfc_alexv1', 255, 'siamfc', 'configs/siamfc.py')
  figures['response'] = 1.002 * figures['response']
  np.savez(tmp_path / 'figures.npz', **figures)
  assert run(*flags) == command.FAILED


@pytest.mark.parametrize(
  'rename', [str, as_huanglianghua], ids=['got-10k', 'huanglianghua']
)
def test_both_forms_of_siamfc_give_the_official_response(
  run, official, tmp_path, capsys, rename
):
  flags, _ = official(
    'siamfc_alexv1', 255, 'siamfc', 'configs/siamfc.py', rename
  )
  assert run(*flags) == command.DONE
  assert worst(capsys.readouterr().out) < 1e-5
  assert trained.load(str(tmp_path / 'out')).tracker.search_scales[1] == 1


def test_a_backbone_is_carried_over_and_the_rest_is_listed(
  run, backbone, capsys
):
  assert run(*arguments(backbone, 'mobilenet', SMALL)) == command.DONE
  said = capsys.readouterr().out
  assert 'ignored: backbone.classifier, backbone.layer6' in said
  _, variables = checkpoints.load_variables(backbone / 'out')
  assert set(variables['params']) == {'backbone'}


def test_a_resnet18_is_carried_over_whole(run, tmp_path, capsys):
  np.savez(tmp_path / 'weights.npz', **classifiers.resnet18())
  config = 'configs/siamrpn.py:backbone=resnet18'
  assert run(*arguments(tmp_path, 'resnet', config)) == command.DONE
  # 20 convolutions, each with the four arrays of a batch norm.
  assert capsys.readouterr().out.startswith('100 arrays written')
  _, variables = checkpoints.load_variables(tmp_path / 'out')
  kernel = variables['params']['backbone']['layer2_0']['downsample']['conv']
  assert kernel['kernel'].shape == (3, 3, 64, 128)


def test_all_that_does_not_fit_is_listed_and_nothing_is_written(
  run, tmp_path, capsys
):
  weights = formulas.state_dict('siamfc_alexv1')
  del weights['feature.0.bias']
  weights['feature.4.weight'] = np.zeros((1, 2, 3, 4), np.float32)
  weights['feature.99.weight'] = np.zeros(3, np.float32)
  np.savez(tmp_path / 'weights.npz', **weights)
  flags = arguments(tmp_path, 'siamfc', 'configs/siamfc.py')
  assert run(*flags) == command.REFUSED
  said = capsys.readouterr().err
  assert 'feature.0.bias is missing' in said
  assert 'feature.4.weight is (3, 4, 2, 1), not (5, 5, 48, 256)' in said
  assert 'feature.99.weight has no place' in said
  assert not (tmp_path / 'out').exists()


def test_weights_that_are_no_numbers_are_refused(run, tmp_path, capsys):
  weights = formulas.state_dict('siamfc_alexv1')
  weights['feature.0.bias'][3] = np.nan
  np.savez(tmp_path / 'weights.npz', **weights)
  flags = arguments(tmp_path, 'siamfc', 'configs/siamfc.py')
  assert run(*flags) == command.REFUSED
  assert 'not finite: feature.0.bias' in capsys.readouterr().err
  assert not (tmp_path / 'out').exists()


def test_a_backbone_alone_does_not_track(run, backbone):
  assert run(*arguments(backbone, 'mobilenet', SMALL)) == command.DONE
  with pytest.raises(ValueError, match='a backbone alone'):
    trained.load(str(backbone / 'out'))


@pytest.mark.parametrize(
  ('source', 'config', 'reason'),
  [
    ('resnet', SMALL, 'tracker.backbone of the config is mobilenet_v2'),
    ('siamban_acm', SMALL, 'cls_weight is missing'),
    ('resnet', 'configs/siamban.py', 'not a ResNet state dict'),
    ('mobilenet', SMALL + 'er', "'smaller' is unknown"),
  ],
)
def test_weights_of_another_network_are_refused_and_nothing_is_written(
  run, backbone, capsys, source, config, reason
):
  assert run(*arguments(backbone, source, config)) == command.REFUSED
  assert reason in capsys.readouterr().err
  assert [path.name for path in backbone.iterdir()] == ['weights.npz']


def test_width_that_does_not_fit_is_named(run, backbone, capsys):
  flags = arguments(backbone, 'mobilenet', SMALL)
  assert run(*flags, '--config.tracker.width=1.4') == command.REFUSED
  assert 'layer0.0.weight is (3, 3, 3, 32), not' in capsys.readouterr().err


def test_figures_that_lack_an_array_are_refused(run, backbone, capsys):
  flags = arguments(backbone, 'mobilenet', SMALL)
  np.savez(backbone / 'figures.npz', template=np.zeros((1, 3, 127, 127)))
  extra = ('--verify', backbone / 'figures.npz')
  assert run(*flags, *extra) == command.REFUSED
  assert 'no search' in capsys.readouterr().err
  assert not (backbone / 'out').exists()


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'search': np.zeros((1, 255, 255, 3))}, 'search is [1, 255, 255, 3], not'),
    ({'bbox': np.ones(4)}, 'bbox is [4], not [? 4]'),
    ({'cls': np.full((1, 2, 25, 25), np.nan)}, 'cls has values that are not'),
  ],
  ids=['nhwc', 'bbox', 'nan'],
)
def test_figures_of_another_form_are_refused(
  run, backbone, capsys, changes, message
):
  image = np.zeros((1, 3, 127, 127))
  figures = {'template': image, 'search': image, 'cls': image, **changes}
  np.savez(backbone / 'figures.npz', **figures)
  flags = arguments(backbone, 'mobilenet', SMALL)
  assert run(*flags, '--verify', backbone / 'figures.npz') == command.REFUSED
  assert message in capsys.readouterr().err
  assert not (backbone / 'out').exists()


def test_an_output_that_is_not_finite_fails():
  with pytest.raises(RuntimeError, match='off by more than'):
    verify.check({'cls': (0.0, 0.0), 'loc': (np.nan, np.nan)})
