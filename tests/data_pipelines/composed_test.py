"""Composed sequences: exact boxes, repeatable frames, hard and fair scenes."""

import dataclasses
import itertools
import json
import shutil

import cv2
import numpy as np
import pytest

from acm_jax.datasets import crops
from acm_jax.datasets.sources import source
from acm_jax.training.data import check_held_out
from data_pipelines import pipeline, training_set
from data_pipelines.clip_set import ClipSet
from data_pipelines.composed import __main__ as command
from data_pipelines.composed import cast, library_writer, plan
from data_pipelines.composed.cast import Cast
from data_pipelines.composed.composed_set import ComposedSet
from data_pipelines.composed.library import VERSION, Library
from data_pipelines.composed.library_writer import Settings, Sources
from data_pipelines.composed.render import render
from data_pipelines.mixture import Mixture, Rooms
from tests.data_pipelines import composed_sources

FRAMES = 6
SETTINGS = Settings(sequences=120, frames=FRAMES, seed=3, crop_size=255)


@pytest.fixture(scope='session')
def originals(tmp_path_factory):
  """Photographs with outlines and videos with masks."""
  root = tmp_path_factory.mktemp('originals')
  return Sources(
    composed_sources.photographs(root / 'coco'),
    composed_sources.videos(root / 'davis'),
    exclude=('left_out',),
  )


@pytest.fixture(scope='session')
def folder(originals, tmp_path_factory):
  out = tmp_path_factory.mktemp('sets') / 'composed'
  library_writer.write(out, originals, SETTINGS)
  return out


@pytest.fixture(scope='session')
def library(folder):
  return Library(folder)


@pytest.fixture(scope='session')
def drawn(library):
  """Sequences of the library."""
  chosen = Cast(library)
  return [
    plan.make(library, chosen, SETTINGS.seed, i, FRAMES)
    for i in range(SETTINGS.sequences)
  ]


def shown(library, layer):
  return library.cutout_object[layer.cutout[0]]


def test_whole_objects_alone_are_cut_out(library):
  # Left out are a crowd, small, cut and parted objects and those without an
  # outline, and the video that was excluded.
  assert sorted(library.object_name) == [
    'long.1',
    'photo0.jpg.0',
    'photo1.jpg.1',
    'photo2.jpg.2',
    'photo3.jpg.3',
  ]
  by_name = dict(zip(library.object_name, library.object_category, strict=True))
  assert by_name['photo0.jpg.0'] == by_name['photo1.jpg.1'] == 'round'
  # The masks of a video do not name classes.
  assert by_name['long.1'] == ''
  counts = dict(zip(library.object_name, library.object_count, strict=True))
  # Frames 0, 4 and 8 of nine.
  assert counts.pop('long.1') == 3
  assert set(counts.values()) == {1}


def test_a_cutout_has_the_colour_of_its_object_alone(library):
  bgra = library.cutout(int(library.object_first[library.object_count == 1][0]))
  inside = bgra[bgra[..., 3] == 255][:, :3].astype(float)
  # Objects are nearly of one colour; what JPEG adds is less than 20 levels.
  assert np.abs(inside - np.median(inside, axis=0)).max() < 20


def test_an_outline_lies_a_pixel_inside_the_annotated_one(library):
  number = library.object_name.tolist().index('photo0.jpg.0')
  extent = np.ptp(library.hull[library.object_first[number]], axis=0)
  # An ellipse of 61 x 51 px; its soft tips may lose another pixel.
  np.testing.assert_allclose(extent, [58.5, 48.5], atol=1)


def test_boxes_are_the_bounds_of_the_drawn_target(library, drawn):
  for number, sequence in enumerate(drawn):
    t = number % FRAMES
    # A blur in motion has no edge to compare with.
    made = render(library, sequence._replace(shutter=0.0), t, 255)
    x, y, w, h = cv2.boundingRect((made.coverage >= 128).astype(np.uint8))
    size = sequence.box[t, 2:] * crops.scale_of(sequence.box[t, 2:])
    found = np.array([x - 0.5, y - 0.5, x + w - 0.5, y + h - 0.5])
    expected = 127 + np.concatenate([-size, size]) / 2
    # Half a pixel of the cutout, at twice its size, and half one of the crop.
    assert np.abs(found - expected).max() < 1.5


def test_a_frame_follows_from_seed_sequence_and_frame_alone(folder):
  first, again = ComposedSet(folder), ComposedSet(folder)
  count = len(first.frame_number)
  forward = [first.jpeg(frame) for frame in range(0, count, 7)]
  backward = [again.jpeg(frame) for frame in range(0, count, 7)[::-1]]
  assert forward == backward[::-1]
  assert len(set(forward)) == len(forward)
  np.testing.assert_array_equal(first.box, again.box)
  np.testing.assert_array_equal(first.track_objects, again.track_objects)


def test_more_sequences_leave_the_first_as_they_are(folder, tmp_path):
  shutil.copytree(folder, tmp_path / 'more')
  change(tmp_path / 'more', sequences=SETTINGS.sequences + 5)
  more, few = ComposedSet(tmp_path / 'more'), ComposedSet(folder)
  assert more.jpeg(100) == few.jpeg(100)
  change(tmp_path / 'more', seed=SETTINGS.seed + 1)
  assert ComposedSet(tmp_path / 'more').jpeg(100) != few.jpeg(100)


def change(folder, **values):
  path = folder / 'manifest.json'
  path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_a_target_of_a_video_changes_its_shape(library, drawn):
  of_video = [
    s for s in drawn if library.object_count[shown(library, s.target)] > 1
  ]
  assert of_video
  assert all(len(set(s.target.cutout.tolist())) > 1 for s in of_video)


def test_most_targets_have_another_object_of_their_class_near(library, drawn):
  near = []
  for sequence in drawn:
    hero = shown(library, sequence.target)
    kind = library.object_category[hero]
    if not kind:
      continue
    others = [
      layer
      for layer in (*sequence.behind, *sequence.before)
      if layer.texture is None and shown(library, layer) != hero
      if library.object_category[shown(library, layer)] == kind
    ]
    away = [
      abs(layer.center - sequence.box[:, :2])
      / sequence.box[:, 2:].max(axis=1)[:, None]
      for layer in others
    ]
    # The search image reaches two sides of the target in every direction.
    near.append(any(a.max(axis=1).min() < 2 for a in away))
  assert len(near) > 30
  # Of six sequences one has none, and some keep away.
  assert np.mean(near) > 0.65


def test_no_layer_shows_the_target_a_second_time(library, drawn):
  for sequence in drawn:
    hero = shown(library, sequence.target)
    assert sequence.photograph != library.object_home[hero]
    for layer in (*sequence.behind, *sequence.before):
      if layer.texture is None:
        assert shown(library, layer) != hero
      else:
        assert layer.texture.photograph != library.object_home[hero]


def test_at_most_half_of_a_target_is_hidden(library, drawn):
  hidden = [
    render(library, sequence, t, 255).hidden
    for sequence in drawn
    if sequence.before
    for t in (0, 3)
  ]
  # To a rounding error of the sums.
  assert max(hidden) <= 0.5 + 1e-9
  assert np.mean(np.array(hidden) > 0.05) > 0.2


def test_an_occluder_that_hides_too_much_is_not_drawn(library, drawn):
  sequence = next(s for s in drawn if not s.before)
  whole = render(library, sequence, 0, 255)
  wall = sequence.target._replace(matrix=sequence.target.matrix.copy())
  covered = render(library, sequence._replace(before=(wall,)), 0, 255)
  np.testing.assert_array_equal(whole.bgr, covered.bgr)
  assert covered.hidden == 0


def test_light_and_focus_are_those_of_photograph_and_layers_alike(
  library, drawn
):
  sequence = next(s for s in drawn if s.behind)
  clear = sequence._replace(
    light=np.ones((FRAMES, 3)), gamma=np.ones(FRAMES), defocus=np.zeros(FRAMES)
  )
  plain = render(library, clear, 2, 255).bgr
  dark = render(library, clear._replace(gamma=np.full(FRAMES, 2.0)), 2, 255)
  # To a rounding.
  np.testing.assert_allclose(dark.bgr, plain.astype(float) ** 2 / 255, atol=0.5)
  dim = render(library, clear._replace(light=np.full((FRAMES, 3), 0.5)), 2, 255)
  np.testing.assert_allclose(dim.bgr, plain / 2, atol=0.5)
  soft = render(library, clear._replace(defocus=np.ones(FRAMES)), 2, 255).bgr
  inside = cv2.erode(render(library, clear, 2, 255).coverage, np.ones((3, 3)))
  for place in (inside == 255, inside == 0):
    steps = [abs(cv2.Laplacian(x, cv2.CV_64F))[place] for x in (plain, soft)]
    assert steps[1].mean() < steps[0].mean()


def test_frames_of_a_sequence_do_not_share_light_focus_or_coding(drawn):
  for name in ('light', 'gamma', 'defocus', 'quality'):
    values = [np.reshape(getattr(s, name), (FRAMES, -1))[:, 0] for s in drawn]
    first, second = np.array(values)[:, :2].T
    # 120 draws that do not depend on each other: four standard deviations.
    assert abs(np.corrcoef(first, second)[0, 1]) < 4 / len(drawn) ** 0.5


def test_slim_targets_are_drawn_more_often_than_their_share(library):
  extent = np.array([np.ptp(hull, axis=0) for hull in library.hull])
  slim = extent.max(axis=1) > cast.SLIM * extent.min(axis=1)
  chosen, rng = Cast(library), np.random.default_rng(0)
  found = np.mean([slim[chosen.target(rng)] for _ in range(2000)])
  # Three times the weight: a share of s becomes 3 s / (1 + 2 s).
  share = slim.mean()
  assert 0 < share < 0.5
  # Four standard deviations of 2000 draws.
  assert found == pytest.approx(3 * share / (1 + 2 * share), abs=0.045)


def test_the_target_keeps_in_the_picture(drawn):
  for sequence in drawn:
    low = sequence.box[:, :2] - sequence.box[:, 2:] / 2
    high = sequence.box[:, :2] + sequence.box[:, 2:] / 2
    corner = sequence.window[:, :2]
    # To a rounding error of the sums.
    assert (low >= corner - 1e-6).all()
    assert (high <= corner + sequence.window[:, 2:] + 1e-6).all()


def batches(folder, source, workers=0):
  made = pipeline.train_batches(
    [{'path': folder, 'gap': FRAMES}],
    batch_size=8,
    template_room=137,
    search_room=255,
    seed=0,
    negative=0.5,
    same_category=0.5,
    source=source,
    workers=workers,
    last_step=2,
  )
  return list(made)


@pytest.mark.parametrize('room', [31, 40, 137, 254])
def test_the_jpeg_of_the_middle_has_the_pixels_of_the_whole(folder, room):
  made = ComposedSet(folder)
  for frame in (0, 100, 200):
    whole, middle = made.jpeg(frame), made.jpeg(frame, room)
    assert len(middle) < len(whole) or room == 254
    np.testing.assert_array_equal(decoded(middle, room), decoded(whole, room))


def decoded(jpeg, room):
  """The pixels of the middle, as training cuts it out."""
  image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
  corner = (len(image) - room) // 2
  return image[corner : corner + room, corner : corner + room]


def test_workers_draw_what_threads_draw(folder):
  threads, workers = (batches(folder, 'memory', count) for count in (0, 2))
  for a, b in zip(threads, workers, strict=True):
    for x, y in zip(a, b, strict=True):
      np.testing.assert_array_equal(x, y)


def test_both_sources_give_the_same_pairs_of_a_composed_set(folder):
  memory, records = (batches(folder, s) for s in ('memory', 'records'))
  for a, b in zip(memory, records, strict=True):
    for x, y in zip(a[2:], b[2:], strict=True):
      np.testing.assert_array_equal(x, y)
    for x, y in zip(a[:2], b[:2], strict=True):
      # Two decoders round differently, mostly in the reduced chroma.
      assert abs(x.astype(float) - y).mean() < 3


def visible(library, sequence):
  """Objects of which a sequence has pixels, found in all of its layers."""
  layers = [*sequence.behind, sequence.target, *sequence.before]
  found = {shown(library, x) for x in layers if x.texture is None}
  photographs = [x.texture.photograph for x in layers if x.texture is not None]
  photographs.append(sequence.photograph)
  found.update(np.flatnonzero(np.isin(library.object_home, photographs)))
  return found


@pytest.mark.parametrize('same_category', [0.0, 1.0])
def test_no_negative_pair_shows_the_object_of_its_template(
  folder, library, drawn, same_category
):
  rooms, seen = Rooms(137, 255), [visible(library, x) for x in drawn]
  mixture = Mixture([{'path': folder}], rooms, 0, 1.0, same_category, 'none')
  for number in range(3000):
    pair = mixture.pairs[number]
    hero = shown(library, drawn[pair.template.track].target)
    assert hero not in seen[pair.search.track]


def test_negatives_are_of_one_class_wherever_some_can_be(
  folder, library, drawn
):
  heroes = [shown(library, x.target) for x in drawn]
  kind, seen = (
    library.object_category[heroes],
    [visible(library, x) for x in drawn],
  )
  mixture = Mixture([{'path': folder}], Rooms(137, 255), 0, 1.0, 1.0, 'none')
  possible = 0
  for number in range(300):
    pair = mixture.pairs[number]
    first, second = pair.template.track, pair.search.track
    if kind[first] and any(
      kind[first] == other and heroes[first] not in objects
      for other, objects in zip(kind, seen, strict=True)
    ):
      assert kind[first] == kind[second]
      possible += 1
  assert possible > 100


def test_objects_of_no_known_class_are_not_of_one_class(library, monkeypatch):
  unknown = np.full(len(library.object_name), '')
  monkeypatch.setattr(library, 'object_category', unknown)
  chosen, rng = Cast(library), np.random.default_rng(0)
  kin = {
    int(library.cutout_object[extra.cutout])
    for _ in range(200)
    for extra in chosen.roles(rng).distractors
  }
  assert kin == set(range(len(unknown)))


def test_a_set_is_opened_by_the_kind_of_its_manifest(folder, clip_folder):
  assert isinstance(training_set.open_set(folder), ComposedSet)
  assert isinstance(training_set.open_set(clip_folder), ClipSet)
  for path in (folder, clip_folder):
    manifest = training_set.read_manifest(path)
    assert (manifest['template_size'], manifest['context_amount']) == (127, 0.5)
  with pytest.raises(ValueError, match='of composed, not of clips'):
    ClipSet(folder)


def test_a_set_names_what_it_shows(folder, library, clip_folder):
  names = training_set.read_names(folder)
  assert {*library.object_name, 'train2017', 'photo3'} <= set(names)
  assert not any(name.startswith('left_out') for name in names)
  assert training_set.read_names(clip_folder) == (
    ClipSet(clip_folder).track_name.tolist()
  )


def test_names_are_read_without_the_pictures(folder, clip_folder, tmp_path):
  for original, large in (
    (folder, 'images.bin'),
    (clip_folder, 'clips-00000.tfrecord'),
  ):
    copy = shutil.copytree(original, tmp_path / original.name)
    (copy / large).unlink()
    assert training_set.read_names(copy) == training_set.read_names(original)


@pytest.mark.parametrize('place', ['left_out', 'left_out/img'])
def test_photographs_of_a_video_that_validates_are_refused(
  originals, tmp_path, place
):
  frames = originals.masks / 'JPEGImages/480p/left_out'
  images = shutil.copytree(frames, tmp_path / place)
  leaky = dataclasses.replace(originals, backgrounds=(images,))
  few = Settings(sequences=2, frames=2)
  library_writer.write(tmp_path / 'set', leaky, few)
  sets = [pipeline.DataSet(tmp_path / 'set')]
  with pytest.raises(ValueError, match=r'left_out also in .*/set, .*--backg'):
    check_held_out(sets, ('left_out', 'other'))
  check_held_out(sets, ('other',))


def test_a_video_is_left_out_of_masks_alone(originals):
  with pytest.raises(ValueError, match='exclude: give masks'):
    Sources(originals.photographs, exclude=('camel',))


def cut(path):
  path.write_bytes(path.read_bytes()[:-100])


def flip(path):
  data = bytearray(path.read_bytes())
  data[len(data) // 2] ^= 255
  path.write_bytes(data)


@pytest.mark.parametrize(
  ('name', 'harm', 'message'),
  [
    ('images.bin', cut, r'images.bin: \d+ bytes, not the \d+'),
    ('images.bin', flip, r'images.bin: damaged \(its checksum'),
    ('index.npz', flip, r'index.npz: damaged'),
    ('manifest.json', cut, r'manifest.json: not JSON'),
  ],
  ids=['truncated', 'changed', 'index', 'manifest'],
)
def test_a_damaged_library_is_refused(folder, tmp_path, name, harm, message):
  copy = shutil.copytree(folder, tmp_path / 'set')
  harm(copy / name)
  with pytest.raises(ValueError, match=message):
    training_set.open_set(copy)


def test_a_library_of_another_version_is_refused(folder, tmp_path):
  copy = shutil.copytree(folder, tmp_path / 'set')
  change(copy, version=0)
  with pytest.raises(ValueError, match=f'version 0, not {VERSION}; write'):
    training_set.open_set(copy)
  (copy / 'images.bin').unlink()
  change(copy, version=VERSION)
  with pytest.raises(FileNotFoundError, match=r'images.bin: missing'):
    training_set.open_set(copy)


@pytest.mark.parametrize('error', [KeyboardInterrupt, OSError])
def test_what_was_interrupted_leaves_nothing(
  originals, tmp_path, monkeypatch, error
):
  read, left = source.image, itertools.repeat(None, 5)

  def failing(tree, name):
    if next(left, error) is error:
      raise error(name)
    return read(tree, name)

  monkeypatch.setattr(source, 'image', failing)
  with pytest.raises(error):
    library_writer.write(tmp_path / 'set', originals, SETTINGS)
  assert not list(tmp_path.iterdir())


def test_pictures_are_bounded_in_size_and_number(originals, tmp_path):
  bounded = Settings(sequences=2, frames=2, longest=60, objects=2, scenes=3)
  manifest = library_writer.write(tmp_path / 'set', originals, bounded)
  # Two of photographs and that of the video.
  assert manifest['kept'] == {'objects': 3, 'cutouts': 5, 'photographs': 3}
  assert manifest['settings']['composed']['exclude'] == ['left_out']
  made = Library(tmp_path / 'set')
  assert made.photograph_size.max() == 60
  assert max(made.photograph(i).shape[1] for i in range(3)) == 60
  assert ComposedSet(tmp_path / 'set').jpeg(3).startswith(b'\xff\xd8')


def test_the_command_writes_a_set(originals, tmp_path, run_command):
  flags = ['--photographs', originals.photographs, '--masks', originals.masks]
  flags += ['--exclude', 'left_out', '--sequences', 3, '--frames', 2]
  out = tmp_path / 'out'
  code, printed, _ = run_command(command, *flags, '--out', out)
  assert code == 0
  assert f'5 objects, 7 cutouts, 5 photographs in {out}' in printed[-1]
  assert len(ComposedSet(out).frame_number) == 6
  code, _, errors = run_command(command, *flags, '--out', out)
  assert code == 2
  assert 'is there already' in errors[0]


@pytest.mark.parametrize(
  ('extra', 'message'),
  [
    (['--exclude', 'nobody'], 'no video is called nobody'),
    (['--backgrounds', 'nowhere'], 'nowhere: no such folder of photographs'),
    (['--masks', 'nowhere'], 'nowhere: no such folder or archive'),
    (['--sequences', '0'], 'sequences=0: 1 or more'),
    (['--quality', '101'], 'quality=101: 0 or more, and 0 to 100'),
    (['--scenes', '1'], 'two photographs are needed'),
  ],
  ids=['name', 'backgrounds', 'masks', 'sequences', 'quality', 'scenes'],
)
def test_a_bad_request_leaves_nothing(
  originals, tmp_path, monkeypatch, refuse, extra, message
):
  monkeypatch.chdir(tmp_path)
  flags = ['--photographs', originals.photographs, '--masks', originals.masks]
  refuse(command, *flags, *extra, '--out', 'out', message=message)
  assert not list(tmp_path.iterdir())


def test_real_photographs_and_videos_give_a_set(real_data, tmp_path):
  originals = Sources(
    real_data / 'stills' / 'boxed', real_data / 'sequences' / 'DAVIS'
  )
  few = Settings(sequences=4, frames=3, objects=10, scenes=5)
  manifest = library_writer.write(tmp_path / 'set', originals, few)
  # Each of the twenty videos shows a whole object in some frames.
  assert manifest['kept']['objects'] >= 25
  assert manifest['kept']['photographs'] == 5
  made = ComposedSet(tmp_path / 'set')
  assert all(made.jpeg(frame) for frame in range(12))
