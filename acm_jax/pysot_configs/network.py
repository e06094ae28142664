"""Converts the keys of an experiment that define the tracker."""

from typing import Any

from acm_jax import trackers
from acm_jax.modules import backbone as backbones
from acm_jax.pysot_configs.experiment import Experiment
from acm_jax.tracking import wide
from acm_jax.tracking.contract import Tracker

# Names of the backbones in the three codebases, and in this library.
BACKBONES = {
  'alexnet': 'alexnet',
  'alexnetlegacy': 'alexnet_legacy',
  'mobilenetv2': 'mobilenet_v2',
  'mobilenetv3_small_v3': 'mobilenet_v3_small',
  'resnet18': 'resnet18',
  'resnet34': 'resnet34',
  'resnet50': 'resnet50',
}
# Levels of the backbones whose layers the official code does not choose.
_LEVELS = {'alexnet': [5], 'alexnetlegacy': [5], 'mobilenetv2': [3, 5, 7]}
_LONG_TERM = 'SiamRPNLTTracker'
# Side of the template features that the official neck keeps, in cells.
_CENTER_SIZE = 7


def tracker(given: Experiment) -> dict[str, Any]:
  """Returns the values of the section `tracker`, without the fusion of ACM.

  Raises:
    ValueError: This library does not have the network, or values contradict
      each other.
  """
  make = {'pysot': _siamrpn, 'siamban': _siamban, 'nanotrack': _nanotrack}
  section = {
    **make[given.codebase](given),
    'template_size': given.get('TRACK.EXEMPLAR_SIZE'),
    'search_size': given.get('TRACK.INSTANCE_SIZE'),
    'context_amount': given.get('TRACK.CONTEXT_AMOUNT'),
  }
  try:
    made = trackers.make(**section)
  except ValueError as error:
    raise ValueError(f'{given.path}: {error}') from error
  _check(given, made)
  return section


def hparams(given: Experiment) -> dict[str, float]:
  """Returns the values of the section `hparams`."""
  found = {
    'penalty_k': given.get('TRACK.PENALTY_K'),
    'window_influence': given.get('TRACK.WINDOW_INFLUENCE'),
    'size_lr': given.get('TRACK.LR'),
  }
  if given.get('TRACK.TYPE') == _LONG_TERM:
    found['lost_score'] = given.get('TRACK.CONFIDENCE_LOW')
    found['found_score'] = given.get('TRACK.CONFIDENCE_HIGH')
  return {name: float(value) for name, value in found.items()}


def _siamrpn(given: Experiment) -> dict[str, Any]:
  long_term = given.get('TRACK.TYPE') == _LONG_TERM
  has_mask = given.get('MASK.MASK')
  if not (has_mask or long_term):
    given.require('TRACK.TYPE', 'SiamRPNTracker')
  given.require('RPN.TYPE', 'MultiRPN', 'DepthwiseRPN', 'UPChannelRPN')
  ratios, scales = given.get('ANCHOR.RATIOS'), given.get('ANCHOR.SCALES')
  for key in ('ANCHOR.ANCHOR_NUM', 'RPN.KWARGS.anchor_num'):
    if given.get(key, count := len(ratios) * len(scales)) != count:
      raise given.error(key, f'ANCHOR has {count} ratios times scales')
  if long_term:
    search_size = wide.MODES['long_term'].search_size
    given.require('TRACK.LOST_INSTANCE_SIZE', search_size)
  up = given.get('RPN.TYPE') == 'UPChannelRPN'
  return {
    'name': 'siamrpn',
    **_siamese(given, 'RPN', has_mask=has_mask),
    'fusion': 'up_xcorr' if up else 'dw_xcorr',
    'anchor_scales': tuple(map(float, scales)),
    'anchor_ratios': tuple(map(float, ratios)),
    'loc_factor': float(given.get('TRAIN.LOC_WEIGHT')),
    'wide_search': 'long_term' if long_term else 'never',
  }


def _siamban(given: Experiment) -> dict[str, Any]:
  given.require('BAN.BAN', True)
  given.require('TRACK.TYPE', 'SiamBANTracker')
  given.require('BAN.TYPE', 'MultiBAN')
  given.require('BAN.KWARGS.cls_out_channels', 2)
  return {
    'name': 'siamban',
    **_siamese(given, 'BAN', has_mask=False),
    'fusion': 'dw_xcorr',
    'wide_search': 'never',
  }


def _nanotrack(given: Experiment) -> dict[str, Any]:
  given.require('BAN.BAN', True)
  given.require('MASK.MASK', False)
  given.require('TRACK.TYPE', 'NanoTracker')
  if given.need('BACKBONE.TYPE') == 'mobilenetv3_small':
    raise given.error(
      'BACKBONE.TYPE',
      'NanoTrackV1 and V2 have another network; only NanoTrackV3, with '
      'mobilenetv3_small_v3, can be used',
    )
  given.require('BACKBONE.TYPE', 'mobilenetv3_small_v3')
  given.require('BAN.TYPE', 'DepthwiseBAN')
  given.require('BAN.KWARGS.cls_out_channels', 2)
  given.require('BACKBONE.KWARGS.width_mult', 1)
  # The official code ends this backbone at its ninth block, its stage 4.
  given.require('BACKBONE.KWARGS.used_layers', [4])
  hidden = 96
  for key in ('BAN.KWARGS.in_channels', 'BAN.KWARGS.out_channels'):
    if _as_tuple(given.get(key, hidden)) != (hidden,):
      raise given.error(key, f'only {hidden} can be used')
  return {
    'name': 'nanotrack',
    'backbone': BACKBONES[given.get('BACKBONE.TYPE')],
    'levels': (9,),
    'hidden': hidden,
    'fusion': 'nano_xcorr',
    'wide_search': 'never',
  }


def _siamese(given: Experiment, head: str, *, has_mask: bool) -> dict[str, Any]:
  """Returns the backbone, the neck and the size of the head.

  Args:
    given: Experiment.
    head: Section of the head, 'RPN' or 'BAN'.
    has_mask: Whether the network predicts a mask as well; if so, its boxes come
      from the last level of the backbone.
  """
  kind = given.need('BACKBONE.TYPE')
  if kind not in BACKBONES:
    known = ', '.join(BACKBONES)
    raise given.error('BACKBONE.TYPE', f'unknown; choose from {known}')
  if kind in _LEVELS:
    levels = given.get('BACKBONE.KWARGS.used_layers', _LEVELS[kind])
  else:
    levels = given.need('BACKBONE.KWARGS.used_layers')
  levels = tuple(levels[-1:] if has_mask else levels)
  width = float(given.get('BACKBONE.KWARGS.width_mult', 1))
  neck, channels = given.get('ADJUST.ADJUST'), _channels(given, head)
  if len(channels) != len(levels):
    raise given.error(
      f'{head}.KWARGS.in_channels',
      f'{len(channels)} levels, but the backbone has {len(levels)}',
    )
  try:
    made = backbones.make(BACKBONES[kind], levels=levels, width=width)
  except ValueError as error:
    raise ValueError(f'{given.path}: BACKBONE.KWARGS: {error}') from error
  features = tuple(made.features(level) for level in levels)
  if neck:
    _check_neck(given, features, channels)
  elif channels != features:
    raise given.error(
      f'{head}.KWARGS.in_channels',
      f'without a neck, the backbone has {list(features)}',
    )
  single = len(set(channels)) == 1
  return {
    'backbone': BACKBONES[kind],
    'levels': levels,
    'width': width,
    'neck': neck,
    'hidden': channels[0] if single else channels,
    'weighted': given.get(f'{head}.KWARGS.weighted'),
  }


def _channels(given: Experiment, head: str) -> tuple[int, ...]:
  """Returns the channels of the head at each level."""
  kind = given.get(f'{head}.TYPE')
  if kind == f'UPChannel{head}':
    return (given.get(f'{head}.KWARGS.feature_in', 256),)
  key = f'{head}.KWARGS.in_channels'
  if kind == f'Depthwise{head}':
    channels = _as_tuple(given.get(key, 256))
    out = f'{head}.KWARGS.out_channels'
    if given.get(out, 256) != channels[0]:
      raise given.error(
        out, f'only the number of in_channels, {channels[0]}, can be used'
      )
    return channels
  return _as_tuple(given.need(key))


def _check_neck(
  given: Experiment, features: tuple[int, ...], channels: tuple[int, ...]
) -> None:
  """Checks that the neck fits the backbone and the head.

  Args:
    given: Experiment.
    features: Channels of the backbone at each level.
    channels: Channels of the head at each level.
  """
  given.require('ADJUST.TYPE', 'AdjustLayer', 'AdjustAllLayer')
  given.require('ADJUST.KWARGS.center_size', _CENTER_SIZE)
  for key, ours, part in (
    ('in_channels', features, 'backbone'),
    ('out_channels', channels, 'head'),
  ):
    key = f'ADJUST.KWARGS.{key}'
    if _as_tuple(given.need(key)) != ours:
      raise given.error(key, f'the {part} has {list(ours)}')


def _check(given: Experiment, made: Tracker) -> None:
  """Checks the numbers that follow from the network."""
  anchored = given.codebase == 'pysot'
  checks = {
    'ANCHOR.STRIDE' if anchored else 'POINT.STRIDE': made.stride,
    'TRAIN.OUTPUT_SIZE': made.network.response_size(
      given.get('TRAIN.SEARCH_SIZE')
    ),
  }
  cells = made.network.response_size(made.search_size)
  if given.codebase == 'nanotrack':
    checks['TRACK.OUTPUT_SIZE'] = cells
  else:
    steps = (made.search_size - made.template_size) // made.stride + 1
    checks['TRACK.BASE_SIZE'] = cells - steps
    train_size = given.get('TRAIN.SEARCH_SIZE')
    steps = (train_size - given.get('TRAIN.EXEMPLAR_SIZE')) // made.stride + 1
    checks['TRAIN.BASE_SIZE'] = checks['TRAIN.OUTPUT_SIZE'] - steps
  for key, ours in checks.items():
    if given.gives(key) and given.get(key) != ours:
      raise given.error(key, f'follows from the network, and must be {ours}')


def _as_tuple(value: Any) -> tuple:
  return tuple(value) if isinstance(value, list) else (value,)
