"""Timing of the input pipeline, from a clip set to batches on the host."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from acm_jax.geometry import context
from acm_jax.timing.measure import Work
from data_pipelines.clip_set import ClipSet
from data_pipelines.pairs import PairSampler, SetIndex
from data_pipelines.pipeline import DataSet, train_batches

# Augmentation of template and search images in the official recipes: side of
# the final crop (px), largest shift (px) and largest relative change of scale.
TEMPLATE = {'size': 127, 'shift': 4.0, 'scale': 0.05}
SEARCH = {'size': 255, 'shift': 64.0, 'scale': 0.18}
# Largest distance between the two frames of a pair, in frames.
GAP = 100


def inputs(
  clips: Path,
  others: Mapping[str, Callable[..., Callable[[], object]]],
  batch_size: int,
  steps: int = 64,
) -> Iterator[Work]:
  """Yields a `Work` in which all implementations read the same training pairs.

  Args:
    clips: Folder of a clip set, written by `acm-jax prepare`.
    others: Additional implementations; keys are names. Each implementation is a
      function that returns the function to time. Its two arguments are the JPEG
      bytes of all pairs (template image, search image), and the sides of the
      regions to decode in the two images of a pair, px.
    batch_size: Number of pairs per batch.
    steps: Number of batches that are read in one timing.
  """
  template_side, search_side = (
    context.padded_side(**image) for image in (TEMPLATE, SEARCH)
  )
  data_set, seed = DataSet(clips, gap=GAP), 0

  def ours():
    batches = train_batches(
      [data_set],
      batch_size=batch_size,
      template_side=template_side,
      search_side=search_side,
      seed=seed,
      negative=0.0,
      last_step=steps,
    )
    return sum(len(batch.positive) for batch in batches)

  pairs = _jpegs(ClipSet(clips), seed, batch_size * steps)
  labels = {
    'pairs': str(batch_size * steps),
    'sides': f'{template_side} {search_side}',
  }
  sides = template_side, search_side
  rest = {name: make(pairs, sides) for name, make in others.items()}
  # The time budget is larger than usual, because the timings of decoding on
  # several cores are noisy.
  yield Work(labels, {'ours': ours, **rest}, seconds=10.0)


def _jpegs(clips: ClipSet, seed: int, count: int) -> list[tuple[bytes, bytes]]:
  """Returns the JPEG bytes of the pairs that `train_batches` reads."""
  frames = SetIndex(
    track_first=clips.track_first,
    track_count=clips.track_count,
    track_video=clips.track_video,
    frame_number=clips.frame_number,
    weight=1.0,
    gap=GAP,
  )
  sampler = PairSampler([frames], seed, negative=0.0)
  pairs = (sampler[number] for number in range(count))
  return [
    (clips.jpeg(pair.template.frame), clips.jpeg(pair.search.frame))
    for pair in pairs
  ]
