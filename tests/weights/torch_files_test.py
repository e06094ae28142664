"""Tests of reading files of torch.save, and of refusing harmful files."""

import argparse
import collections
import datetime
import decimal
import fractions
import os
import pathlib
import pickle
import uuid

import numpy as np
import pytest

from acm_jax.weights import files

torch = pytest.importorskip('torch')

# Ways out that torch recommends in its errors, but that run code of the file.
UNSAFE = ('weights_only', 'safe_globals', 'trust')


class RunsCode:
  """Object that runs code when it is unpickled."""

  def __reduce__(self):
    return print, ('ran',)


@pytest.fixture
def save(tmp_path):
  """Returns a function that saves an object with torch and returns the path."""

  def save(content, name='w.pth', **options):
    torch.save(content, tmp_path / name, **options)
    return tmp_path / name

  return save


@pytest.fixture
def refuse(capfd):
  """Returns a check that a file is refused safely, in a short message."""

  def refuse(path, message):
    capfd.readouterr()
    with pytest.raises(ValueError, match=message) as caught:
      files.read(path)
    text = str(caught.value)
    assert text.startswith(f'{path}: ')
    assert len(text) < 400 + len(str(path))
    assert not any(word in text for word in UNSAFE)
    assert capfd.readouterr() == ('', '')

  return refuse


zipped = pytest.mark.parametrize('zipped', [True, False], ids=['zip', 'legacy'])


@zipped
@pytest.mark.parametrize('name', ['w.pth', 'w.pt', 'w.pth.tar', 'w.bin', 'w'])
def test_torch_files_are_read_under_any_name(save, zipped, name):
  content = {'epoch': 3, 'state_dict': {'module.a': torch.ones(2)}}
  path = save(content, name, _use_new_zipfile_serialization=zipped)
  assert files.read(path).arrays['a'].tolist() == [1, 1]


@pytest.mark.parametrize(
  'dtype', ['bfloat16', 'float16', 'float8_e4m3fn', 'float32', 'float64']
)
def test_floats_keep_their_values(save, dtype):
  path = save({'a': torch.tensor([0.5, -3]).to(getattr(torch, dtype))})
  assert files.read(path).arrays['a'].tolist() == [0.5, -3]


@pytest.mark.parametrize(
  'value',
  [
    torch.nn.Parameter(torch.ones(2, 3)),
    torch.nn.Parameter(torch.ones(2, 3).bfloat16()),
    torch.ones(2, 3).requires_grad_(),
    torch.ones(3, 2).t(),
    torch.ones(1).expand(2, 3),
    torch.ones(2, 6)[:, ::2],
    torch.ones(2, 3).to_sparse(),
    torch._neg_view(-torch.ones(2, 3)),
    np.ones((2, 3)),
  ],
  ids=[
    *('parameter', 'bfloat16 parameter', 'gradient', 'transposed'),
    *('expanded', 'strided', 'sparse', 'negated', 'numpy'),
  ],
)
def test_every_kind_of_tensor_is_read(save, value):
  path = save({'a': value})
  np.testing.assert_array_equal(files.read(path).arrays['a'], np.ones((2, 3)))


@pytest.mark.filterwarnings('ignore:torch.quantize:UserWarning')
def test_tensors_without_real_numbers_are_named(save, refuse):
  kinds = {
    'complex': torch.ones(3, dtype=torch.complex64),
    'conjugate': torch.ones(3, dtype=torch.complex64).conj(),
    'quantised': torch.quantize_per_tensor(torch.ones(3), 1, 0, torch.qint8),
    'meta': torch.ones(3, device='meta'),
  }
  for name, value in kinds.items():
    refuse(save({'a': torch.ones(2), name: value}), f'without real .*: {name};')


def test_values_that_are_not_finite_are_named_in_every_float_type(save, refuse):
  for dtype in (torch.float16, torch.bfloat16, torch.float64):
    value = torch.tensor([1, torch.inf], dtype=dtype)
    refuse(save({'a': torch.ones(2), 'b': value}), 'not finite: b;')


def test_entries_next_to_the_state_dict_are_listed_as_ignored(save):
  model = torch.nn.Linear(2, 1)
  moments = {'step': torch.tensor(1.0), 'exp_avg': torch.ones(1, 2)}
  others = {
    'optimizer': {'state': {0: moments}, 'param_groups': [{'params': [0]}]},
    'scheduler': collections.Counter(last_epoch=3),
    'rng_state': torch.get_rng_state(),
    'loss': torch.tensor(0.5),
    'rate': np.float64(0.1),
    'step': np.int64(3),
    'curve': np.arange(3),
    'args': argparse.Namespace(rate=0.1, out=pathlib.Path('runs') / 'a'),
    3: 'number',
  }
  weights = files.read(save({'state_dict': model.state_dict(), **others}))
  assert set(weights.arrays) == {'weight', 'bias'}
  assert weights.ignored == tuple(sorted(map(str, others)))


@zipped
def test_a_whole_model_is_refused_with_a_way_to_save_its_state_dict(
  save, refuse, zipped
):
  model = torch.nn.Linear(2, 1)
  message = r'refused, .*\(torch.nn.modules.*torch.save\(model.state_dict\(\), '
  for content in (model, {'model': model, 'epoch': 3}):
    path = save(content, _use_new_zipfile_serialization=zipped)
    refuse(path, message)


@zipped
def test_an_object_that_would_run_code_is_refused(save, refuse, zipped):
  content = {'state_dict': {'a': torch.ones(2)}, 'other': RunsCode()}
  path = save(content, _use_new_zipfile_serialization=zipped)
  refuse(path, r'refused, because it holds objects \(print\) other than arrays')


@zipped
@pytest.mark.parametrize(
  'value',
  [
    *(datetime.datetime(2024, 2, 29, tzinfo=datetime.UTC), uuid.UUID(int=3)),
    datetime.date(2024, 2, 29),
    *(datetime.timedelta(3), datetime.time(3), decimal.Decimal(3)),
    *(fractions.Fraction(1, 3), range(3), slice(3), {3}),
    collections.defaultdict(list, {'a': [3]}),
    collections.defaultdict(dict),
    collections.defaultdict(float, a=0.3),
    *(collections.deque([3, 4]), collections.deque([3, 4], maxlen=3)),
    {datetime.date(2024, 2, 29): frozenset([3])},
  ],
  ids=repr,
)
def test_harmless_objects_of_the_standard_library_are_ignored(
  save, zipped, value
):
  content = {'model': {'a.b': torch.ones(2)}, 'other': value}
  path = save(content, _use_new_zipfile_serialization=zipped)
  weights = files.read(path)
  assert weights.arrays['a.b'].tolist() == [1, 1]
  assert weights.ignored == ('other',)


def test_state_dicts_in_lists_and_defaultdicts_are_read(save):
  state_dict = torch.nn.Sequential(torch.nn.Linear(2, 1)).state_dict()
  for content in (
    [state_dict],
    (state_dict, {'step': 3}),
    collections.defaultdict(dict, model=state_dict),
  ):
    assert set(files.read(save(content)).arrays) == {'0.weight', '0.bias'}


@pytest.mark.parametrize('code', [print, os.system, eval])
def test_a_function_is_refused_wherever_it_is(save, refuse, code):
  content = {'a': torch.ones(2), 'other': collections.defaultdict(code)}
  refuse(save(content), r'refused, .*\((print|posix.system|eval)\)')


def test_an_object_of_any_other_class_is_refused(save, refuse):
  content = {'a': torch.ones(2), 'other': collections.UserDict()}
  refuse(save(content), r'refused, .*\(collections.UserDict\)')


def test_a_pickle_that_torch_did_not_write_is_refused(tmp_path, refuse):
  for protocol in (2, 4, 5):
    content = pickle.dumps({'a': RunsCode()}, protocol=protocol)
    (tmp_path / 'w.pth').write_bytes(content)
    refuse(tmp_path / 'w.pth', 'refused, because it is a pickle that torch')


def test_a_newer_kind_of_pickle_is_refused_with_a_way_to_save_again(
  save, refuse
):
  path = save({'a': torch.ones(2)}, pickle_protocol=4)
  refuse(path, 'save the file again without `pickle_protocol`')


@pytest.mark.parametrize(
  ('content', 'kind'),
  [([1, 2], 'list'), (torch.ones(3), 'ndarray')],
)
def test_a_file_without_a_dictionary_is_refused(save, refuse, content, kind):
  refuse(save(content), f'no state dict, but an object of the type {kind}')


@zipped
def test_a_truncated_file_is_refused(save, refuse, zipped):
  content = {'a': torch.ones(1000)}
  path = save(content, _use_new_zipfile_serialization=zipped)
  path.write_bytes(path.read_bytes()[:-99])
  refuse(path, r'truncated, so download it again')


def test_an_error_of_the_conversion_is_not_called_damage(save, monkeypatch):
  path = save({'a': torch.ones(2)})

  def failing(tensor):
    raise ZeroDivisionError

  monkeypatch.setattr(torch.Tensor, 'detach', failing)
  with pytest.raises(ZeroDivisionError):
    files.read(path)


def test_a_damaged_value_is_found(save, refuse):
  path = save({'a': torch.ones(1000)})
  content = bytearray(path.read_bytes())
  content[len(content) // 2] ^= 1
  path.write_bytes(content)
  refuse(path, 'wrong checksum')


def test_a_file_that_torch_wrote_without_checksums_is_read(save):
  torch.serialization.set_crc32_options(False)
  try:
    path = save({'a': torch.ones(2)})
  finally:
    torch.serialization.set_crc32_options(True)
  assert files.read(path).arrays['a'].tolist() == [1, 1]
