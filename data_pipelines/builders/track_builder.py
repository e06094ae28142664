"""Base class of the TFDS builders of the training sets."""

import numpy as np
import tensorflow_datasets as tfds

from acm_jax.datasets import sources, trees


class TrackBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
  """Builder that reads a data set through `acm_jax.datasets.sources`.

  Each TFDS example is one target in one video.

  Attributes:
    SOURCE: Name of the reader in `acm_jax.datasets.sources`; every subclass
      sets it.
  """

  VERSION = tfds.core.Version('1.0.0')
  # A mutable class attribute, as in the base class of TFDS.
  RELEASE_NOTES = {'1.0.0': 'First version.'}  # noqa: RUF012
  SOURCE: str

  def __init_subclass__(cls, **kwargs):
    # The instructions are the reader's docstring, which describes the layout of
    # the files.
    cls.MANUAL_DOWNLOAD_INSTRUCTIONS = sources.described(cls.SOURCE)
    super().__init_subclass__(**kwargs)

  def _info(self) -> tfds.core.DatasetInfo:
    """Describes the features of an example.

    Frames are stored as published, without encoding them again. Boxes are x, y,
    w, h, px, 0-based; NaN where no box is annotated. `visible` tells for each
    frame whether the box may be used; `frame_number` is the position of each
    frame in the video.
    """
    image = {'shape': (None, None, None, 3), 'encoding_format': 'jpeg'}
    return self.dataset_info_from_configs(
      features=tfds.features.FeaturesDict(
        {
          'name': tfds.features.Text(),
          'frames': tfds.features.Video(**image),
          'box_xywh': tfds.features.Tensor(shape=(None, 4), dtype=np.float32),
          'visible': tfds.features.Tensor(shape=(None,), dtype=np.bool_),
          'frame_number': tfds.features.Tensor(shape=(None,), dtype=np.int64),
        }
      ),
      # Shuffling would be slow, since an example may have thousands of frames.
      disable_shuffling=True,
    )

  def _split_generators(self, dl_manager: tfds.download.DownloadManager):
    return {'train': self._generate_examples(dl_manager.manual_dir)}

  def _generate_examples(self, folder):
    tree, source = trees.open_tree(folder), sources.make(self.SOURCE)
    key = 0
    for unit in source.units(tree):
      for track in source.tracks(tree, unit):
        yield (
          key,
          {
            'name': track.name,
            'frames': [tree.read(file) for file in track.files],
            'box_xywh': track.box_xywh,
            'visible': track.visible,
            'frame_number': track.frame_number,
          },
        )
        key += 1
