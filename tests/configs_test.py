"""Every config is valid, and every tracker's steps lower for accelerators."""

import functools
import importlib
from pathlib import Path

import jax
import pytest

from acm_jax import trackers
from acm_jax.tracking import lanes, loop
from acm_jax.tracking.contract import Frame, Hparams
from acm_jax.training import plan as plans
from configs import ablation, presets, siamban_acm

CONFIGS = sorted(
  path.stem
  for path in (Path(__file__).parents[1] / 'configs').glob('*.py')
  # The config finetune has no tracker of its own, and ablation no presets.
  if path.stem not in ('__init__', 'ablation', 'common', 'finetune', 'presets')
)
# The configs of NanoTrack have a fixed backbone and presets of their own.
LIGHT = [name for name in CONFIGS if name.startswith('nanotrack')]
LARGE = [name for name in CONFIGS if name not in LIGHT]
CASES = [
  (name, arg)
  for name in LARGE
  for arg in (None, *presets.PRESETS)
  if not (name.startswith('siamfc') and arg == 'small')
] + [
  ('siamban_acm', 'optimizer=adamw'),
  ('siamban', 'otb'),
  ('siamrpn', 'otb'),
  ('siamrpn', 'long_term'),
]
CASES += [
  ('ablation', f'{tracker},{form}')
  for tracker in ablation.TRACKERS
  for form in ablation.FORMS
]
CASES += [(name, arg) for name in LIGHT for arg in (None, 'tiny')]
LOWERED = ('nanotrack_acm', 'siamban_acm', 'siamfc_acm', 'siamrpn')
# The presets train the same operators in smaller networks. The gradient of a
# ResNet-50 takes ten seconds to trace.
TRAINED = (
  ('nanotrack_acm', 'tiny'),
  ('siamban_acm', 'quickstart'),
  ('siamfc_acm', 'quickstart'),
  ('siamrpn', 'quickstart'),
)


def get_config(name, arg):
  return importlib.import_module(f'configs.{name}').get_config(arg)


def get_plan(name, arg):
  return plans.make_plan(get_config(name, arg).to_dict())


def abstract_step(name, arg):
  """Returns the train step of the last phase, and its arguments' shapes."""
  plan = get_plan(name, arg)
  phase = plan.phases[-1]
  state = plan.state_shapes(phase)
  return plan.step_function(phase), state, plan.batch_shapes(), plan.key


def check_shapes(state, after, metrics):
  assert jax.tree.structure(after) == jax.tree.structure(state)
  shapes = jax.tree.map(lambda x: (x.shape, x.dtype), (after, state))
  assert shapes[0] == shapes[1]
  assert metrics['loss'].shape == ()


@pytest.mark.parametrize(('name', 'arg'), CASES)
def test_a_config_is_locked_and_has_a_plan(name, arg):
  config = get_config(name, arg)
  with pytest.raises(AttributeError):
    config.trian = 1
  with pytest.raises(AttributeError):
    config.train.epoch = 1
  # A plan checks every value, and every expression against the network.
  plan = plans.make_plan(config.to_dict())
  assert len(plan.phases) == len(config.phases)


@pytest.mark.parametrize(
  ('preset', 'own'), [('', 'sgd'), ('quickstart,', 'adamw')]
)
def test_adamw_has_a_tenth_of_the_learning_rates(preset, own):
  sgd, adamw, default = (
    siamban_acm.get_config(f'{preset}{optimizer}'.rstrip(',')).schedule
    for optimizer in ('optimizer=sgd', 'optimizer=adamw', '')
  )
  for rate in ('first_rate', 'peak_rate', 'last_rate'):
    assert adamw[rate] == pytest.approx(sgd[rate] / 10)
    assert default[rate] == {'sgd': sgd, 'adamw': adamw}[own][rate]


# Together, these configs use all operators of all trackers.
@pytest.mark.parametrize(('name', 'arg'), TRAINED)
def test_the_train_step_keeps_shapes_and_lowers_for_tpu_and_cuda(name, arg):
  step, state, raw, key = abstract_step(name, arg)
  exported = jax.export.export(jax.jit(step), platforms=['tpu', 'cuda'])(
    state, raw, key
  )
  assert exported.platforms == ('tpu', 'cuda')
  check_shapes(
    state, *jax.tree.unflatten(exported.out_tree, exported.out_avals)
  )


@pytest.mark.parametrize('name', LOWERED)
def test_the_tracking_step_lowers_for_tpu_and_cuda(name):
  plan = get_plan(name, None)
  tracker, variables = plan.tracker, plan.shapes
  frames = Frame(
    jax.ShapeDtypeStruct((2, 480, 640, 3), 'uint8'),
    jax.ShapeDtypeStruct((2, 2), 'int32'),
  )
  first = jax.tree.map(
    lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), frames
  )
  box = jax.ShapeDtypeStruct((4,), 'float32')
  init = functools.partial(loop.init, tracker)
  states = jax.tree.map(
    lambda x: jax.ShapeDtypeStruct((2, *x.shape), x.dtype),
    jax.eval_shape(init, variables, first, box),
  )
  hparams = Hparams(*[jax.ShapeDtypeStruct((2,), 'float32')] * 5)
  active = jax.ShapeDtypeStruct((2,), 'bool')

  @jax.jit
  def step(variables, hparams, states, frames, active):
    form = {'wide': False, 'batched': True}
    strips, cols = lanes.strips(tracker, states, frames, active, **form)
    crops = lanes.crops(strips, cols, states.fill, active, batched=True)
    args = variables, hparams, states, crops, frames.size, active
    return lanes.advance(tracker, *args, **form)

  exported = jax.export.export(step, platforms=['tpu', 'cuda'])(
    variables, hparams, states, frames, active
  )
  assert exported.platforms == ('tpu', 'cuda')


@pytest.mark.parametrize(
  'backbone', ['alexnet', 'mobilenet_v2', 'resnet18', 'resnet34', 'resnet50']
)
@pytest.mark.parametrize('name', [name for name in LARGE if 'acm' in name])
def test_every_tracker_works_with_every_backbone(name, backbone):
  config = get_config(name, f'backbone={backbone}')
  tracker = trackers.make(**config.tracker.to_dict())
  images = (
    jax.ShapeDtypeStruct((1, size, size, 3), 'float32')
    for size in (tracker.template_size, tracker.search_size)
  )
  template, search = images
  box_size = jax.ShapeDtypeStruct((1, 2), 'float32')
  # One trace gives outputs and variables.
  outputs, _ = jax.eval_shape(
    tracker.network.init_with_output,
    jax.random.key(0),
    template,
    box_size,
    search,
  )
  cells = tracker.network.response_size(tracker.search_size)
  for output in jax.tree.leaves(outputs):
    assert output.shape[1:3] == (cells, cells)


@pytest.mark.parametrize(
  ('name', 'typed', 'meant'),
  [
    ('siamban', 'QuickStart,Tiny', 'quickstart,tiny'),
    (
      'siamban',
      'backbone=MobileNet-V2,fusion=ACM',
      'backbone=mobilenet_v2,fusion=acm',
    ),
    ('nanotrack', 'Tiny', 'tiny'),
    ('nanotrack_acm', 'Fusion=Residual-ACM', 'fusion=residual_acm'),
  ],
)
def test_arguments_may_have_capital_letters_and_dashes(name, typed, meant):
  assert get_config(name, typed).to_dict() == get_config(name, meant).to_dict()


def test_the_name_of_a_data_set_keeps_its_letters():
  assert list(get_config('siamban', 'sets=My-Set').sets) == ['My-Set']


@pytest.mark.parametrize(
  ('arg', 'message'),
  [
    ('quikstart', "'quikstart' is unknown; the choices are quickstart; quick"),
    ('quickstart,', "'quickstart,' is unknown"),
    ('tiny', "'tiny' is unknown"),
    ('small,tiny', "'small,tiny' is unknown"),
    ('neck=1', "'neck=1' is unknown"),
    ('backbone=vgg', "backbone='vgg' is unknown; the choices are "),
    ('small,backbone=resnet50', 'small has a backbone of its own'),
  ],
)
@pytest.mark.parametrize('name', LARGE)
def test_an_unknown_or_contradictory_argument_is_refused(name, arg, message):
  with pytest.raises(ValueError, match=message):
    get_config(name, arg)


def test_siamfc_refuses_the_preset_that_freezes_the_backbone():
  with pytest.raises(ValueError, match="'small' freezes the backbone"):
    get_config('siamfc', 'small')


@pytest.mark.parametrize('name', ['siamban', 'siamfc', 'siamrpn'])
def test_an_acm_config_differs_from_its_base_only_in_the_tracker(name):
  base = get_config(name, None).to_dict()
  acm = get_config(f'{name}_acm', None).to_dict()
  fusion = base['tracker']['fusion']
  assert acm.pop('tracker') != base.pop('tracker')
  assert acm == base
  if name != 'siamfc':
    for suffix, size in (('', 1), ('_acm', 3)):
      config = get_config(f'{name}{suffix}', None)
      tracker = trackers.make(**config.tracker.to_dict())
      assert tracker.network.head_size == size
  assert fusion == ('xcorr' if name == 'siamfc' else 'dw_xcorr')


@pytest.mark.parametrize('arg', ['quickstart', 'sets=got10k+moon', 'backbone='])
@pytest.mark.parametrize('name', LIGHT)
def test_nanotrack_refuses_the_arguments_of_other_configs(name, arg):
  with pytest.raises(ValueError, match='is unknown; the '):
    get_config(name, arg)


def test_nanotrack_acm_changes_only_the_fusion_of_the_tracker():
  base = get_config('nanotrack', None).tracker.to_dict()
  acm = get_config('nanotrack_acm', None).tracker.to_dict()
  changed = {key for key in base if base[key] != acm[key]}
  assert changed == {'fusion', 'fusion_options'}
  chosen = get_config('nanotrack_acm', 'sets=composed+davis,fusion=acm')
  assert set(chosen.sets) == {'composed', 'davis'}
  assert chosen.tracker.fusion == 'acm'


@pytest.mark.parametrize('whole', [False, True])
@pytest.mark.parametrize('fusion', ['residual_acm', 'acm', 'nano_xcorr'])
def test_every_fusion_of_nanotrack_acm_makes_a_plan(fusion, whole):
  arg = f'fusion={fusion}' + ',whole' * whole
  plan = get_plan('nanotrack_acm', arg)
  assert plan.tracker.network.fusion == fusion
  trains = plan.phases[0].mode(plan.shapes['params']).trains
  assert trains(('backbone',)) == whole


@pytest.mark.parametrize(
  ('name', 'arg', 'backbone'),
  [
    ('nanotrack_acm', 'tiny', 0.1),
    ('siamban_acm', 'quickstart', 0),
    ('siamfc_acm', 'quickstart', 0.1),
    ('siamfc', 'quickstart', 1),
    ('siamrpn', 'quickstart', 1),
  ],
)
def test_every_tracker_can_be_fine_tuned(name, arg, backbone):
  trained = get_config(name, arg).to_dict()
  tuned = get_config('finetune', f'backbone={backbone}').to_dict()
  assert not {'tracker', 'hparams', 'precision'} & set(tuned)
  tuned |= {key: trained[key] for key in ('tracker', 'hparams', 'precision')}
  tuned['validation']['sequences'] = ('a',)
  plan = plans.make_plan(tuned)
  (phase,) = plan.phases
  mode = phase.mode(plan.shapes['params'])
  assert mode.trains(('backbone',)) == (backbone > 0)
  assert mode.keeps_statistics(('backbone', 'anywhere'))


@pytest.mark.parametrize('arg', ['whole', 'backbone=2', 'backbone=x', 'rate=1'])
def test_finetune_refuses_unknown_arguments(arg):
  with pytest.raises(
    ValueError, match=f"argument '{arg}' is unknown; the only"
  ):
    get_config('finetune', arg)


def test_the_argument_sets_chooses_the_data_sets():
  config = siamban_acm.get_config('sets=davis+imagenet_vid')
  assert config.sets.to_dict() == {
    'davis': {'num_use': -1, 'gap': 100},
    'imagenet_vid': {'num_use': 100_000, 'gap': 100},
  }
  with pytest.raises(ValueError, match='has data sets of its own'):
    siamban_acm.get_config('quickstart,sets=davis')
