"""The checksum finds any flipped bit and ignores the sharding."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from acm_jax.training import checksum as checksums
from acm_jax.training import sharding
from acm_jax.training.checksum import checksum

TREE = {
  'kernel': np.arange(24, dtype=np.float32).reshape(4, 6) / 7,
  'count': np.int32(5),
  'half': np.asarray(jnp.arange(3, dtype=jnp.bfloat16)),
  'empty': np.zeros((0, 2), np.float32),
}


def test_the_checksum_is_the_weighted_sum_of_the_bits():
  bits = TREE['kernel'].view(np.uint32).ravel().tolist()
  expected = sum((2 * i + 1) * each for i, each in enumerate(bits)) % 2**32
  assert checksum(TREE['kernel']) == expected


@pytest.mark.parametrize('name', ['kernel', 'count', 'half'])
def test_every_flipped_bit_changes_the_checksum(name):
  before = checksum(TREE)
  data = bytearray(np.asarray(TREE[name]).tobytes())
  for place in range(8 * len(data)):
    data[place // 8] ^= 1 << place % 8
    flipped = np.frombuffer(bytes(data), TREE[name].dtype)
    assert checksum({**TREE, name: flipped}) != before
    data[place // 8] ^= 1 << place % 8


def test_swapped_elements_and_swapped_arrays_change_the_checksum():
  kernel = TREE['kernel']
  assert checksum(kernel[::-1].copy()) != checksum(kernel)
  assert checksum([kernel, kernel + 1]) != checksum([kernel + 1, kernel])


def test_split_arrays_have_the_checksum_of_whole_arrays():
  mesh = sharding.make_mesh(2)
  split = NamedSharding(mesh, PartitionSpec('fsdp'))
  kernel = jax.device_put(TREE['kernel'], split)
  assert checksum(kernel) == checksum(TREE['kernel'])
  # As if some of the devices belonged to another process.
  assert int(checksums._on_devices(kernel)) == checksum(TREE['kernel'])
