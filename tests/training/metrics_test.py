"""Tests of the written metrics of a run."""

import json
import math
import struct
from unittest import mock

import pytest

from acm_jax.host.staging import FullDiskError
from acm_jax.training import metrics
from acm_jax.training.metrics import Writer


def events(path):
  """Yields the TensorBoard events of a file."""
  from tensorboardX.proto import event_pb2

  data = path.read_bytes()
  while data:
    (length,) = struct.unpack('Q', data[:8])
    # A checksum of four bytes follows the length, and another one the event.
    yield event_pb2.Event.FromString(data[12 : 12 + length])
    data = data[16 + length :]


def test_the_rows_are_also_tensorboard_events(tmp_path):
  with Writer(tmp_path, 0) as writer:
    for step in (10, 20):
      writer.write(step, {'loss': step / 4, 'norm': math.nan})
    (path,) = tmp_path.glob('events.out.tfevents.*')
    # Written at once, so that a run can be watched.
    first, *rows = events(path)
  assert first.file_version == 'brain.Event:2'
  found = [
    [row.step, *((v.tag, v.simple_value) for v in row.summary.value)]
    for row in rows
  ]
  assert [row[:2] for row in found] == [
    [10, ('loss', 2.5)],
    [20, ('loss', 5.0)],
  ]
  assert all(row[2][0] == 'norm' and math.isnan(row[2][1]) for row in found)
  kept = (tmp_path / 'metrics.jsonl').read_text().splitlines()
  assert [json.loads(row)['norm'] for row in kept] == [None, None]


@pytest.mark.parametrize('name', ['metrics.jsonl', 'tfevents'])
def test_a_full_disk_ends_a_run_instead_of_stopping_it_silently(
  tmp_path, limit_file_size, monkeypatch, name
):
  # An event is longer than a row, so the file of events is full first.
  if name == 'metrics.jsonl':
    monkeypatch.setattr(metrics, '_Events', mock.Mock())

  def write():
    with Writer(tmp_path, 0) as writer:
      for step in range(1000):
        writer.write(step, {'loss': 1.0})

  with limit_file_size(2000), pytest.raises(FullDiskError, match=name):
    write()
