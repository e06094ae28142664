"""The small composed set that the tests read."""

from data_pipelines.composed.library_writer import Settings

FRAMES = 6
SETTINGS = Settings(sequences=120, frames=FRAMES, seed=3, crop_size=255)


def shown(library, layer):
  """Returns the object that a layer shows in the first frame."""
  return library.cutout_object[layer.cutout[0]]
