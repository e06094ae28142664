"""Reading of training pairs: from a clip set to batches on the host."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from acm_jax.geometry import context
from acm_jax.timing.measure import Work
from data_pipelines.clip_set import ClipSet
from data_pipelines.pairs import PairSampler, SetIndex
from data_pipelines.pipeline import DataSet, train_batches

# What the official recipes shift and scale a template and a search image by.
TEMPLATE = {'size': 127, 'shift': 4.0, 'scale': 0.05}
SEARCH = {'size': 255, 'shift': 64.0, 'scale': 0.18}
GAP = 100


def inputs(
  clips: Path,
  others: Mapping[str, Callable[..., Callable[[], object]]],
  batch_size: int,
  steps: int = 64,
) -> Iterator[Work]:
  """The same pairs read in every form, from the first call to the last batch.

  Args:
    clips: Folder of a clip set.
    others: By name: makes a run of the bytes of the pairs' JPEGs and the rooms
      that are decoded of a template's and a search image's.
    batch_size: Pairs of a batch.
    steps: Batches of a run.
  """
  rooms = [context.room(**image) for image in (TEMPLATE, SEARCH)]
  data_set, seed = DataSet(clips, gap=GAP), 0

  def ours():
    batches = train_batches(
      [data_set],
      batch_size=batch_size,
      template_room=rooms[0],
      search_room=rooms[1],
      seed=seed,
      negative=0.0,
      last_step=steps,
    )
    return sum(len(batch.positive) for batch in batches)

  pairs = _jpegs(ClipSet(clips), seed, batch_size * steps)
  labels = {'pairs': str(batch_size * steps), 'rooms': f'{rooms[0]} {rooms[1]}'}
  rest = {name: make(pairs, rooms) for name, make in others.items()}
  # Decoding on several cores is noisy.
  yield Work(labels, {'ours': ours, **rest}, seconds=10.0)


def _jpegs(clips: ClipSet, seed: int, count: int) -> list[tuple[bytes, bytes]]:
  """What `ours` reads."""
  frames = SetIndex(
    clips.track_first,
    clips.track_count,
    clips.track_video,
    clips.frame_number,
    1.0,
    GAP,
  )
  sampler = PairSampler([frames], seed, negative=0.0)
  return [
    tuple(clips.jpeg(place.frame) for place in sampler[i][:2])
    for i in range(count)
  ]
