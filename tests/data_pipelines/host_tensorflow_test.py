"""TensorFlow starts in silence, but its errors are shown."""

import os
import subprocess
import sys

from data_pipelines import host_tensorflow

ROOT = os.path.dirname(os.path.dirname(host_tensorflow.__file__))
LOAD = 'from data_pipelines import host_tensorflow; host_tensorflow.load()'
# A module that logs like several versions of TensorFlow, and fails.
FAILS = r"""
import os
os.write(2, b'''\
WARNING: All log messages before absl::InitializeLog() is called are written
I0000 00:00:1795780337.409759    9238 port.cc:153] oneDNN operations are on.
2025-05-01 10:11:12.131415: E external/xla/cuda_fft.cc:467] Unable to register
2025-05-01 10:11:12.131415: I tensorflow/core/util/port.cc:153] oneDNN
To enable the following instructions: AVX2 FMA, rebuild TensorFlow.
F0000 00:00:1795780337.409759    9238 feature.cc:1] No such instruction.
libcudart.so: version not found
''')
raise AttributeError('wrong NumPy')
"""


def load(*path):
  """Loads TensorFlow from folders in a new process; returns stderr."""
  path = os.pathsep.join([*map(str, path), ROOT])
  return subprocess.run(
    [sys.executable, '-c', LOAD],
    capture_output=True,
    check=False,
    env={**os.environ, 'PYTHONPATH': path},
    text=True,
    timeout=120,
  ).stderr


def test_tensorflow_starts_in_silence():
  assert load() == ''


def test_errors_of_the_start_are_shown(tmp_path):
  (tmp_path / 'tensorflow.py').write_text(FAILS)
  first, second, *_, last = load(tmp_path).splitlines()
  assert first.endswith('No such instruction.')
  assert second == 'libcudart.so: version not found'
  assert last == 'AttributeError: wrong NumPy'
