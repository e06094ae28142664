// What was found in the frames of a video. An entry is {time, template, state,
// result}: the time of the frame in s, and what `Tracking` returned.

export class History {
  constructor() {
    this.tracks = new Map() // target: entries by time
  }

  get targets() {
    return [...this.tracks.keys()]
  }

  // Returns the entry of each target that has one in a frame.
  at(time) {
    const entries = new Map()
    for (const [target, track] of this.tracks) {
      const entry = track[count(track, time) - 1]
      if (entry?.time === time) entries.set(target, entry)
    }
    return entries
  }

  // Returns the entry of each target that has none in a frame, but has one in
  // an earlier frame: the latest.
  before(time) {
    const entries = new Map()
    for (const [target, track] of this.tracks) {
      const entry = track[count(track, time) - 1]
      if (entry && entry.time < time) entries.set(target, entry)
    }
    return entries
  }

  add(target, entry) {
    const track = this.tracks.get(target)
    track.splice(count(track, entry.time), 0, entry)
  }

  // Starts a target, or corrects it: its entries from this frame on are gone.
  start(target, entry) {
    const track = this.tracks.get(target) ?? []
    const kept = track.filter(({time}) => time < entry.time)
    this.tracks.set(target, [...kept, entry])
  }

  remove(target) {
    this.tracks.delete(target)
  }

  // Returns a table of all results. Browsers tell the times of frames but not
  // their numbers.
  csv() {
    const rows = []
    for (const [target, track] of this.tracks) {
      for (const {time, result} of track) rows.push({time, target, ...result})
    }
    rows.sort((a, b) => a.time - b.time || a.target - b.target)
    const lines = rows.map(({time, target, box, score, lost, margin}) => [
      time.toFixed(6), target, ...[...box, score].map((x) => x.toFixed(3)),
      Number(lost), margin.toFixed(3)].join(','))
    return ['time,target,x,y,w,h,score,lost,margin', ...lines, ''].join('\n')
  }
}

// Returns how many entries are not later than a time.
function count(track, time) {
  let [low, high] = [0, track.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (track[middle].time <= time) low = middle + 1
    else high = middle
  }
  return low
}
