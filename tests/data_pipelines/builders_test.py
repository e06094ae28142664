"""TFDS builders read every data set from its official files."""

import importlib

import numpy as np
import pytest
import tensorflow_datasets as tfds

from acm_jax.datasets import sources
from data_pipelines import builders

# Number of tracks in the dummy files of each data set.
TRACKS = {
  'coco': 4,
  'crop511': 2,
  'davis': 3,
  'folder': 2,
  'got10k': 2,
  'imagenet_det': 3,
  'imagenet_vid': 2,
  'lasot': 2,
  'trackingnet': 2,
  'youtube_bb': 1,
}


def builder(name):
  module = f'{builders.__name__}.{name}.{name}_dataset_builder'
  return importlib.import_module(module).Builder


class Case(tfds.testing.DatasetBuilderTestCase):
  """TFDS's own tests for one of the builders."""

  __test__ = False
  # The builders download nothing.
  SKIP_CHECKSUMS = True


for name in sources.names():
  globals()[f'Test_{name}'] = type(
    f'Test_{name}',
    (Case,),
    {
      '__test__': True,
      'DATASET_CLASS': builder(name),
      'SPLITS': {'train': TRACKS[name]},
    },
  )


def test_an_example_is_a_track_with_its_original_images(tmp_path):
  got10k = builder('got10k')(data_dir=tmp_path)
  manual = got10k.pkg_dir_path / 'dummy_data'
  got10k.download_and_prepare(
    download_config=tfds.download.DownloadConfig(manual_dir=manual)
  )
  skip = {'frames': tfds.decode.SkipDecoding()}
  (_, track) = tfds.as_numpy(got10k.as_dataset(split='train', decoders=skip))
  assert track['name'] == b'GOT-10k_Train_000002'
  assert track['visible'].tolist() == [True, False, True]
  np.testing.assert_allclose(track['box_xywh'][0], [4.5, 5.25, 12, 9])
  file = manual / 'train' / 'GOT-10k_Train_000002' / '00000001.jpg'
  assert track['frames'][0] == file.read_bytes()


def test_the_error_for_missing_files_describes_the_layout(tmp_path):
  lasot = builder('lasot')(data_dir=tmp_path / 'data')
  config = tfds.download.DownloadConfig(manual_dir=tmp_path / 'nothing')
  with pytest.raises(AssertionError, match=r'full_occlusion\.txt'):
    lasot.download_and_prepare(download_config=config)
