"""Jobs that prepare small clip sets, and functions that write their shards."""

from data_pipelines import preparation
from data_pipelines.clip_set import ClipSet
from data_pipelines.clips import Cut


def job(source, **cut):
  return preparation.Job('folder', str(source), Cut(**{'crop_size': 63, **cut}))


def content(out):
  """Returns the parts of a clip set that training reads."""
  clips = ClipSet(out)
  jpegs = [clips.jpeg(i) for i in range(len(clips.frame_number))]
  return jpegs, clips.box.tolist(), clips.track_name.tolist()


def others(folder):
  """Returns the names of a clip set's files other than the shards."""
  names = [path.name for path in folder.iterdir()]
  return sorted(name for name in names if not name.startswith('clips-'))


def stopping(count, error=OSError, written=None):
  """Returns workers that write `count` shards, then raise an error."""

  def work(shards):
    for shard in shards[:count]:
      if written is not None:
        written.append(shard.number)
      yield preparation.write_shard(shard)
    raise error

  return work


def recording(numbers):
  """Returns workers that write all shards and record their numbers."""

  def work(shards):
    numbers.extend(shard.number for shard in shards)
    return map(preparation.write_shard, shards)

  return work
