"""Pairs: pure functions of their number, with the rates that were asked."""

import numpy as np
import pytest

from data_pipelines.pairs import PairSampler, SetIndex


def dataset(counts, weight=1.0, gap=100, stride=1, video=None):
  counts = np.array(counts)
  first = np.cumsum(counts) - counts
  numbers = np.concatenate([stride * np.arange(n) for n in counts])
  video = np.arange(len(counts)) if video is None else np.array(video)
  return SetIndex(first, counts, video, numbers, weight, gap)


def draw(datasets, count=2000, seed=0, negative=0.2, same_category=0.0):
  sampler = PairSampler(datasets, seed, negative, same_category)
  return [sampler[i] for i in range(count)]


def test_a_pair_depends_on_seed_and_number_alone():
  data = [dataset([30, 40])]
  forward = draw(data, 50)
  sampler = PairSampler(data, 0, 0.2)
  assert [sampler[i] for i in reversed(range(50))] == forward[::-1]
  assert draw(data, 50, seed=1) != forward
  assert len(set(forward)) > 40


def test_the_gap_holds_in_frame_numbers():
  pairs = draw([dataset([50, 3], gap=20, stride=7)], negative=0.0)
  numbers = dataset([50, 3], stride=7).frame_number
  distance = [
    numbers[p.search.frame] - numbers[p.template.frame] for p in pairs
  ]
  assert set(distance) == {-14, -7, 0, 7, 14}
  assert all(p.template[:2] == p.search[:2] for p in pairs)


def test_a_gap_of_zero_pairs_a_frame_with_itself():
  pairs = draw([dataset([5, 5], gap=0)], 50, negative=0.0)
  assert all(p.template == p.search for p in pairs)


def test_positive_pairs_lie_in_one_track():
  for pair in draw([dataset([4, 9]), dataset([2, 2, 2])]):
    assert pair.positive == (pair.template[:2] == pair.search[:2])
    for place in pair[:2]:
      first = (0, 4) if place.dataset == 0 else (0, 2, 4)
      count = (4, 9) if place.dataset == 0 else (2, 2, 2)
      inside = place.frame - first[place.track]
      assert 0 <= inside < count[place.track]


def test_videos_are_drawn_alike_whatever_targets_they_have():
  crowded = dataset([5] * 5, video=[0, 0, 0, 0, 1])
  pairs = draw([crowded], negative=0.0)
  alone = np.mean([pair.template.track == 4 for pair in pairs])
  # Five standard deviations of a fair coin.
  assert abs(alone - 0.5) < 5 * 0.5 / len(pairs) ** 0.5
  others = {pair.template.track for pair in pairs} - {4}
  assert others == {0, 1, 2, 3}


def test_rates_are_those_asked():
  data = [
    dataset([9, 9], weight=3.0),
    dataset([9] * 4),
    dataset([9], weight=0.0),
  ]
  pairs = draw(data)
  # Four standard deviations of 2000 draws, and of the 400 negatives.
  assert np.mean([not p.positive for p in pairs]) == pytest.approx(
    0.2, abs=0.036
  )
  sets = np.array([p.template.dataset for p in pairs])
  assert np.mean(sets == 0) == pytest.approx(0.75, abs=0.04)
  assert not (sets == 2).any()
  # Other targets come from all sets alike, but not from one left out.
  away = [p.search.dataset for p in pairs if not p.positive]
  assert np.mean(np.array(away) == 1) == pytest.approx(1 / 2, abs=0.1)
  assert 2 not in away


def test_a_negative_of_a_lone_track_comes_from_another_set():
  pairs = draw([dataset([9]), dataset([9])], 50, negative=1.0)
  found = {(p.template.dataset, p.search.dataset) for p in pairs}
  assert found == {(0, 1), (1, 0)}


def test_pairs_are_those_that_were_drawn_before_classes_were_known():
  classes = np.array(['a', 'b'] * 3)
  known = dataset([4] * 6)._replace(track_category=classes)
  assert draw([known], 50) == draw([dataset([4] * 6)], 50)
  # Drawn by the sampler of before.
  found = [
    (p.template.frame, p.search.dataset, p.search.frame, p.positive)
    for p in draw([known, dataset([3] * 2)], 4, negative=0.5)
  ]
  assert found == [
    (12, 1, 3, False),
    (4, 0, 7, True),
    (1, 0, 19, False),
    (12, 0, 13, True),
  ]


def test_negatives_of_one_class_are_of_two_videos_and_as_many_as_asked():
  classes = np.array(['cat', 'dog', 'cat', '', 'cat', 'dog'])
  data = dataset([4] * 6, video=[0, 0, 0, 1, 2, 3])
  data = data._replace(track_category=classes)
  pairs = draw([data], negative=1.0, same_category=0.6)
  tracks = np.array([[p.template.track, p.search.track] for p in pairs])
  alike = classes[tracks[:, 0]] == classes[tracks[:, 1]]
  apart = data.track_video[tracks[:, 0]] != data.track_video[tracks[:, 1]]
  assert (tracks[:, 0] != tracks[:, 1]).all()
  # The template is of the class-less track in a quarter of the pairs.
  chosen = alike & apart & (classes[tracks[:, 0]] != '')
  share = chosen[tracks[:, 0] != 3].mean()
  # The others give some more: 0.6 and 0.4 times the chance of any.
  assert 0.6 < share < 0.8
  always = draw([data], 200, negative=1.0, same_category=1.0)
  for pair in always:
    first, second = pair.template.track, pair.search.track
    if first != 3:
      assert classes[first] == classes[second]
      assert data.track_video[first] != data.track_video[second]


def test_tracks_of_one_object_make_no_negative_pair():
  data = dataset([4] * 6)._replace(
    track_category=np.array(['cat'] * 4 + ['dog'] * 2),
    track_objects=np.array([0, 0, 0, 1, 2, 2])[:, None],
  )
  for same_category in (0.0, 1.0):
    for pair in draw([data], 300, negative=1.0, same_category=same_category):
      first, second = pair.template.track, pair.search.track
      assert data.track_objects[first] != data.track_objects[second]
      if same_category and first < 4:
        assert second < 4


def test_no_negative_pair_shows_the_target_of_its_template():
  # Targets 0 to 3; the cats of 0 and 1 are seen beside each other.
  objects = np.array([[0, 1, -1], [1, 0, 3], [2, -1, -1], [3, 2, -1]])
  data = dataset([4] * 4)._replace(
    track_category=np.array(['cat', 'cat', 'cat', 'dog']), track_objects=objects
  )
  for same_category in (0.0, 1.0):
    pairs = draw([data], 300, negative=1.0, same_category=same_category)
    found = {(p.template.track, p.search.track) for p in pairs}
    assert all(objects[a, 0] not in objects[b] for a, b in found)
  # With one of the class wherever there is one that does not show the target.
  assert {b for a, b in found if a != 3} == {0, 1, 2}
  assert found >= {(0, 2), (1, 2), (2, 0), (2, 1), (3, 0), (3, 2)}


def test_the_part_of_one_class_is_a_fraction():
  with pytest.raises(ValueError, match=r'same_category=1.5: a fraction'):
    draw([dataset([9, 9])], 1, same_category=1.5)


@pytest.mark.parametrize(
  ('datasets', 'negative', 'message'),
  [
    ([dataset([9, 9], weight=-1.0)], 0.2, 'weights'),
    ([dataset([9, 9], weight=0.0)], 0.2, 'weights'),
    ([dataset([9, 9], gap=-1)], 0.2, 'gap'),
    ([dataset([9, 9])], 1.5, r'negative=1.5'),
    ([dataset([9])], 0.2, 'two tracks'),
    ([dataset([9]), dataset([9], weight=0.0)], 0.2, 'two tracks'),
    (
      [dataset([9, 9])._replace(track_objects=np.array([[0, 1], [1, -1]]))],
      0.2,
      'two tracks',
    ),
  ],
  ids=[
    'negative weight',
    'no weight',
    'gap',
    'negative',
    'one track',
    'one drawn',
    'one everywhere',
  ],
)
def test_an_impossible_mixture_is_refused(datasets, negative, message):
  with pytest.raises(ValueError, match=message):
    PairSampler(datasets, 0, negative)
