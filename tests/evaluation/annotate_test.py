"""What is left of a video when tracking ends early, and the sheet's frames."""

import itertools

import cv2
import numpy as np
import pytest

from acm_jax.evaluation import annotate
from acm_jax.tracking.contract import Hparams, Tracked
from data_pipelines.videos import Video

BOX = np.array([[10, 10, 20, 20]], np.float32)
IMAGE = np.zeros((48, 64, 3), np.uint8)


@pytest.fixture
def run(monkeypatch, tiny_tracker, tmp_path):
  """Annotates with the first box for `count` frames, until `error` comes."""
  tracker, variables, config = tiny_tracker
  hparams = Hparams(**config['hparams'])

  def run(count, error):
    def follow(tracker, variables, hparams, frames, boxes_xywh, *, chunk):
      for _ in itertools.islice(frames, count):
        yield Tracked(
          boxes_xywh, np.array([0.5]), np.array([True]), np.array([0.2])
        )
      raise error

    monkeypatch.setattr(annotate.stream, 'follow', follow)
    video = Video(iter([IMAGE] * 9), 10.0, 9)
    return annotate.annotate(tracker, variables, hparams, video, BOX, tmp_path)

  return run


def test_an_interrupt_keeps_what_was_tracked(run, tmp_path):
  assert run(3, KeyboardInterrupt()) == 3
  rows = (tmp_path / 'boxes.csv').read_text().splitlines()
  assert rows[0] == 'frame,target,x,y,w,h,score,lost,margin'
  assert rows[1:] == [
    f'{i},0,10.000,10.000,20.000,20.000,0.500,1,0.200' for i in range(3)
  ]
  capture = cv2.VideoCapture(str(tmp_path / 'tracked.mp4'))
  assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 3


@pytest.mark.parametrize(
  ('count', 'error'),
  [(0, KeyboardInterrupt()), (3, ValueError('frame 3 is other'))],
  ids=['interrupt at once', 'bad frame'],
)
def test_what_fails_leaves_no_file(run, tmp_path, count, error):
  with pytest.raises(type(error)):
    run(count, error)
  assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('count', [1, 5, 8, 16, 17, 1000])
def test_the_sheet_spans_a_video_of_any_length(count):
  sheet = annotate._Sheet()
  for i in range(count):
    sheet.add(np.array(i))
  chosen = [int(i) for i in sheet.chosen()]
  assert len(chosen) == min(8, count)
  assert chosen == sorted(set(chosen))
  assert chosen[0] == 0
  # An eighth of the video may be missing at its end: its length is not known.
  assert chosen[-1] >= (count - 1) * 7 / 8
