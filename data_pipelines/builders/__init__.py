"""TFDS builders of the training sets, one folder each.

    import tensorflow_datasets as tfds
    from data_pipelines.builders.got10k import got10k_dataset_builder

    builder = got10k_dataset_builder.Builder(data_dir='tfds')
    builder.download_and_prepare(
      download_config=tfds.download.DownloadConfig(manual_dir='GOT-10k')
    )

A TFDS example is a track: the published frames and the boxes of one target.
Training does not read these examples. It reads clip sets, which `acm-jax
prepare` writes. For the tests, `dummy_data` writes small files in the official
layouts.
"""
