"""Records equal those that TensorFlow writes, and positions find the values."""

import io

import numpy as np
import pytest

from data_pipelines import host_tensorflow
from data_pipelines.record_writer import RecordWriter

IMAGES = [b'\xff\xd8' + bytes(300), b'', b'\xff\xd8\xff\xd9', b'\x0a' * 20_000]
MESSAGES = [
  {
    'name': ['ünï/code'.encode()],
    'jpeg': IMAGES,
    'box': np.arange(8, dtype=np.float32).reshape(2, 4) - 0.3,
    'frame_number': np.array([0, 127, 128, 2**40, -1], np.int64),
  },
  {'b': [b'second'], 'a': np.zeros(0, np.float32), 'c': [b'1', b'1']},
  {},
]


def written_by_tensorflow(path, messages):
  tf = host_tensorflow.load()
  train = tf.train
  with tf.io.TFRecordWriter(str(path)) as writer:
    for message in messages:
      features = {}
      for name, values in message.items():
        if isinstance(values, list):
          feature = train.Feature(bytes_list=train.BytesList(value=values))
        elif values.dtype == np.float32:
          numbers = train.FloatList(value=values.ravel())
          feature = train.Feature(float_list=numbers)
        else:
          numbers = train.Int64List(value=values.ravel())
          feature = train.Feature(int64_list=numbers)
        features[name] = feature
      example = train.Example(features=train.Features(feature=features))
      writer.write(example.SerializeToString(deterministic=True))
  return path.read_bytes()


def test_files_equal_those_of_tensorflow_byte_for_byte(tmp_path):
  file = io.BytesIO()
  writer = RecordWriter(file)
  for message in MESSAGES:
    writer.write(message)
  expected = written_by_tensorflow(tmp_path / 'file', MESSAGES)
  assert file.getvalue() == expected


def test_values_of_bytes_begin_at_the_returned_positions():
  file = io.BytesIO()
  writer = RecordWriter(file)
  for message in MESSAGES:
    positions = writer.write(message)
    data = file.getvalue()
    texts = {name for name, v in message.items() if isinstance(v, list)}
    assert set(positions) == texts
    for name in texts:
      for begin, value in zip(positions[name], message[name], strict=True):
        assert data[begin : begin + len(value)] == value


def test_an_array_of_another_type_is_refused():
  with pytest.raises(TypeError, match='float64: must be float32 or int64'):
    RecordWriter(io.BytesIO()).write({'box': np.zeros(4)})
