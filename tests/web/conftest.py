"""The application of the demo, with a tiny tracker."""

import pytest

from acm_jax.tracking.programs import Programs
from acm_jax.tracking.video_tracker import VideoTracker
from acm_jax.web.sources import Limits
from tests.datasets import stamped_videos

LIMITS = Limits(megabytes=1, seconds=20.0)


@pytest.fixture(scope='session')
def clip(tmp_path_factory):
  """Returns the path of a video of 12 frames of 128 x 96 px."""
  path = tmp_path_factory.mktemp('clips') / 'a.mkv'
  return stamped_videos.write(path, frames=12)


@pytest.fixture(scope='session')
def new_tracker(tiny_model):
  programs = Programs()
  return lambda: VideoTracker(tiny_model, programs)


@pytest.fixture(scope='session')
def make_setting(new_tracker, tiny_model):
  """Returns a function that makes a setting with a root folder."""
  pytest.importorskip('starlette', reason='needs the extra `demo`')
  from acm_jax.web import app

  def make(root, limits=LIMITS, local=True):
    hparams = tiny_model.hparams
    scores = hparams.lost_score, hparams.found_score
    return app.Setting('tiny', new_tracker, root, limits, *scores, local)

  return make


@pytest.fixture
def make_app(tmp_path, make_setting):
  """Returns a function that makes the application, with the root `root`."""
  from acm_jax.web import app

  def make(limits=LIMITS, local=True):
    root = tmp_path / 'root'
    root.mkdir()
    return app.make(make_setting(root, limits, local))

  return make
