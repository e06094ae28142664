"""Tests of annotated videos: early ends, and the frames of the sheet."""

import itertools

import cv2
import numpy as np
import pytest

from acm_jax.datasets.videos import Video
from acm_jax.running import annotate
from acm_jax.tracking.video_tracker import Result, VideoTracker

BOX = np.array([[10, 10, 20, 20]], np.float32)
IMAGE = np.zeros((48, 64, 3), np.uint8)


class Failing(VideoTracker):
  """Repeats the first box for `count` frames, then raises `error`."""

  def __init__(self, count, error):
    self._count, self._error = count, error

  def track(self, frames, boxes, *, ahead=1):
    for _ in itertools.islice(frames, self._count):
      yield [Result(box, 0.5, True, 0.2) for box in boxes]
    raise self._error


@pytest.fixture
def run(tmp_path):
  """Returns a function that annotates a video of nine frames."""

  def run(count, error):
    video = Video(iter([IMAGE] * 9), 10.0, 9)
    return annotate.annotate(Failing(count, error), video, BOX, tmp_path)

  return run


def test_an_interrupt_keeps_the_tracked_frames(run, tmp_path):
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
  [(0, KeyboardInterrupt()), (3, ValueError('frame 3 is invalid'))],
  ids=['interrupt before the first frame', 'invalid frame'],
)
def test_a_failure_leaves_no_file(run, tmp_path, count, error):
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
  # The length is unknown in advance, so up to an eighth at the end is missing.
  assert chosen[-1] >= (count - 1) * 7 / 8
