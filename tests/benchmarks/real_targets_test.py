"""The real targets are laid out as one benchmark with unchanged boxes."""

import numpy as np

from acm_jax.datasets import layouts
from acm_jax.evaluation import benchmarks
from benchmarks import real_targets


def test_every_target_keeps_its_images_and_boxes(
  run_command, real_data, tmp_path
):
  data, out = real_data / 'sequences', tmp_path / 'eleven'
  flags = f'--data_dir={data}', f'--out={out}'
  code, printed, errors = run_command(real_targets, *flags)
  assert code == 0, errors
  assert printed[-1] == f'11 sequences in {out}'
  written = {each.name: each for each in layouts.read('folder', out)}
  for name in real_targets.BENCHMARKS:
    benchmark = benchmarks.get(name.lower())
    for expected in benchmarks.sequences(benchmark, data / name):
      found = written.pop(f'{name}-{expected.name}')
      assert [path.resolve() for path in found.frame_paths] == [
        path.resolve() for path in expected.frame_paths
      ]
      # The file has four decimals.
      np.testing.assert_allclose(
        found.box_xywh, expected.box_xywh, rtol=0, atol=1e-4
      )
  assert not written
