"""Pairs depend only on seed and number, and have the requested rates."""

import numpy as np
import pytest

from data_pipelines.pairs import PairSampler, SetIndex


def track_of(frame):
  return frame.dataset, frame.track


def dataset(counts, weight=1.0, gap=100, stride=1, video=None):
  counts = np.array(counts)
  first = np.cumsum(counts) - counts
  numbers = np.concatenate([stride * np.arange(n) for n in counts])
  video = np.arange(len(counts)) if video is None else np.array(video)
  return SetIndex(first, counts, video, numbers, weight, gap)


def sample(datasets, count=2000, seed=0, negative=0.2, same_category=0.0):
  sampler = PairSampler(datasets, seed, negative, same_category)
  return [sampler[i] for i in range(count)]


def test_a_pair_depends_only_on_seed_and_number():
  data = [dataset([30, 40])]
  forward = sample(data, 50)
  sampler = PairSampler(data, 0, 0.2)
  assert [sampler[i] for i in reversed(range(50))] == forward[::-1]
  assert sample(data, 50, seed=1) != forward
  assert len(set(forward)) > 40


def test_the_gap_is_a_distance_of_frame_numbers():
  pairs = sample([dataset([50, 3], gap=20, stride=7)], 300, negative=0.0)
  numbers = dataset([50, 3], stride=7).frame_number
  distance = [
    numbers[p.search.frame] - numbers[p.template.frame] for p in pairs
  ]
  assert set(distance) == {-14, -7, 0, 7, 14}
  assert all(track_of(p.template) == track_of(p.search) for p in pairs)


def test_a_gap_of_zero_pairs_a_frame_with_itself():
  pairs = sample([dataset([5, 5], gap=0)], 50, negative=0.0)
  assert all(p.template == p.search for p in pairs)


def test_exactly_the_positive_pairs_show_one_track():
  data = [dataset([4, 9]), dataset([2, 2, 2])]
  for pair in sample(data, 500):
    assert pair.positive == (track_of(pair.template) == track_of(pair.search))
    for frame in (pair.template, pair.search):
      index = data[frame.dataset]
      position = frame.frame - index.track_first[frame.track]
      assert 0 <= position < index.track_count[frame.track]


def test_videos_are_equally_likely_whatever_their_number_of_targets():
  crowded = dataset([5] * 5, video=[0, 0, 0, 0, 1])
  pairs = sample([crowded], 1000, negative=0.0)
  fraction = np.mean([pair.template.track == 4 for pair in pairs])
  # The fraction is random; five standard deviations are allowed.
  assert abs(fraction - 0.5) < 5 * 0.5 / len(pairs) ** 0.5
  others = {pair.template.track for pair in pairs} - {4}
  assert others == {0, 1, 2, 3}


def test_pairs_have_the_requested_rates():
  data = [
    dataset([9, 9], weight=3.0),
    dataset([9] * 4),
    dataset([9], weight=0.0),
  ]
  pairs = sample(data)
  # Rates are random; four standard deviations are allowed, for 2000 pairs or
  # for the 400 negative pairs.
  assert np.mean([not p.positive for p in pairs]) == pytest.approx(
    0.2, abs=0.036
  )
  sets = np.array([p.template.dataset for p in pairs])
  assert np.mean(sets == 0) == pytest.approx(0.75, abs=0.04)
  assert not (sets == 2).any()
  # All sets with a weight are equally likely to give the search frame of a
  # negative pair.
  negatives = [p.search.dataset for p in pairs if not p.positive]
  assert np.mean(np.array(negatives) == 1) == pytest.approx(1 / 2, abs=0.1)
  assert 2 not in negatives


def test_a_negative_of_a_lone_track_comes_from_another_set():
  pairs = sample([dataset([9]), dataset([9])], 50, negative=1.0)
  found = {(p.template.dataset, p.search.dataset) for p in pairs}
  assert found == {(0, 1), (1, 0)}


def test_known_classes_do_not_change_the_pairs_unless_requested():
  classes = np.array(['a', 'b'] * 3)
  known = dataset([4] * 6)._replace(track_category=classes)
  assert sample([known], 50) == sample([dataset([4] * 6)], 50)
  # The sampler returned these pairs before it supported classes.
  found = [
    (p.template.frame, p.search.dataset, p.search.frame, p.positive)
    for p in sample([known, dataset([3] * 2)], 4, negative=0.5)
  ]
  assert found == [
    (12, 1, 3, False),
    (4, 0, 7, True),
    (1, 0, 19, False),
    (12, 0, 13, True),
  ]


def test_same_class_negatives_span_two_videos_at_the_requested_rate():
  classes = np.array(['cat', 'dog', 'cat', '', 'cat', 'dog'])
  data = dataset([4] * 6, video=[0, 0, 0, 1, 2, 3])
  data = data._replace(track_category=classes)
  pairs = sample([data], 1000, negative=1.0, same_category=0.6)
  tracks = np.array([[p.template.track, p.search.track] for p in pairs])
  alike = classes[tracks[:, 0]] == classes[tracks[:, 1]]
  apart = data.track_video[tracks[:, 0]] != data.track_video[tracks[:, 1]]
  assert (tracks[:, 0] != tracks[:, 1]).all()
  # The template's class is unknown in a quarter of the pairs (track 3).
  chosen = alike & apart & (classes[tracks[:, 0]] != '')
  fraction = chosen[tracks[:, 0] != 3].mean()
  # The remaining 40% of the pairs have the same class by chance.
  assert 0.6 < fraction < 0.8
  always = sample([data], 200, negative=1.0, same_category=1.0)
  for pair in always:
    first, second = pair.template.track, pair.search.track
    if first != 3:
      assert classes[first] == classes[second]
      assert data.track_video[first] != data.track_video[second]


def test_tracks_of_the_same_object_form_no_negative_pair():
  data = dataset([4] * 6)._replace(
    track_category=np.array(['cat'] * 4 + ['dog'] * 2),
    track_objects=np.array([0, 0, 0, 1, 2, 2])[:, None],
  )
  for same_category in (0.0, 1.0):
    for pair in sample([data], 300, negative=1.0, same_category=same_category):
      first, second = pair.template.track, pair.search.track
      assert data.track_objects[first] != data.track_objects[second]
      if same_category and first < 4:
        assert second < 4


def test_no_search_track_of_a_negative_pair_shows_the_target():
  # Targets 0 to 3; tracks 0 and 1 show each other's cat.
  objects = np.array([[0, 1, -1], [1, 0, 3], [2, -1, -1], [3, 2, -1]])
  data = dataset([4] * 4)._replace(
    track_category=np.array(['cat', 'cat', 'cat', 'dog']), track_objects=objects
  )
  for same_category in (0.0, 1.0):
    pairs = sample([data], 300, negative=1.0, same_category=same_category)
    found = {(p.template.track, p.search.track) for p in pairs}
    assert all(objects[a, 0] not in objects[b] for a, b in found)
  # The cats always get a track of their class that does not show the target.
  assert {b for a, b in found if a != 3} == {0, 1, 2}
  assert found >= {(0, 2), (1, 2), (2, 0), (2, 1), (3, 0), (3, 2)}


def test_the_templates_of_a_trial_are_right_wrong_and_of_the_same_class():
  classes = np.array(['cat', 'dog', 'cat', '', 'cat', 'bird'])
  video = np.array([0, 0, 1, 2, 3, 3])
  data = dataset([9] * 6, video=video)._replace(track_category=classes)
  sampler = PairSampler([data, dataset([5])], 0, negative=0.0)
  trials = [sampler.trial(i) for i in range(400)]
  assert [t.search for t in trials] == [sampler[i].template for i in range(400)]
  for trial in trials:
    assert track_of(trial.right) == track_of(trial.search)
    if trial.search.dataset == 1:
      # The only track of the set has no wrong template.
      assert trial.other is trial.same_class is None
      continue
    own = trial.search.track
    assert video[trial.other.track] != video[own]
    if classes[own] == 'cat':
      assert classes[trial.same_class.track] == 'cat'
      assert video[trial.same_class.track] != video[own]
    else:
      assert trial.same_class is None
  wrong = {(t.search.track, t.other.track) for t in trials if t.other}
  every = {(a, b) for a in range(6) for b in range(6) if video[a] != video[b]}
  assert wrong == every


def test_the_wrong_target_of_a_trial_cannot_be_in_the_search_frame():
  # Targets 0 to 3; tracks 0 and 1 show each other's target.
  objects = np.array([[0, 1, -1], [1, 0, 3], [2, -1, -1], [3, 2, -1]])
  data = dataset([4] * 4)._replace(track_objects=objects)
  sampler = PairSampler([data], 0, negative=0.0)
  trials = [sampler.trial(i) for i in range(300)]
  found = {(t.search.track, t.other and t.other.track) for t in trials}
  # Track 3 shows target 2, and track 1 shows target 3.
  assert found == {(0, 2), (0, 3), (1, 2), (2, 0), (2, 1), (3, 0)}


def test_the_rate_of_same_class_negatives_is_a_fraction():
  with pytest.raises(ValueError, match=r'`same_category`=1.5: must be between'):
    sample([dataset([9, 9])], 1, same_category=1.5)


@pytest.mark.parametrize(
  ('datasets', 'negative', 'message'),
  [
    ([dataset([9, 9], weight=-1.0)], 0.2, 'weights'),
    ([dataset([9, 9], weight=0.0)], 0.2, 'weights'),
    ([dataset([9, 9], gap=-1)], 0.2, 'gap'),
    ([dataset([9, 9])], 1.5, r'`negative`=1.5'),
    ([dataset([9])], 0.2, 'negative pairs need'),
    ([dataset([9]), dataset([9], weight=0.0)], 0.2, 'negative pairs need'),
    (
      [dataset([9, 9])._replace(track_objects=np.array([[0, 1], [1, -1]]))],
      0.2,
      'negative pairs need',
    ),
  ],
  ids=[
    'negative weight',
    'no weight',
    'gap',
    'negative',
    'one track',
    'one weighted track',
    'target in every track',
  ],
)
def test_an_impossible_mixture_is_refused(datasets, negative, message):
  with pytest.raises(ValueError, match=message):
    PairSampler(datasets, 0, negative)
