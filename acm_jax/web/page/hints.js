// What the page says about a video, and about lost targets.

// Returns what the user can do in a frame of a video. `redrawn` is the target
// whose box is drawn next, or null.
export function hint(video, frame, redrawn) {
  const {playing, targets} = video
  const found = video.results.get(frame.position) ?? {}
  const lost = Object.keys(found).filter((target) => found[target][5])
  if (redrawn !== null) {
    return `Draw the new box of target ${redrawn}; Escape keeps the old one.`
  }
  if (playing && !targets.length) {
    return 'Click the picture to pause when you see what you want to follow.'
  }
  if (!targets.length) {
    return 'Draw a box around what you want to follow, in any frame.'
  }
  if (lost.length) {
    return `Target ${lost.join(', ')} is lost. ` +
      'Where it is visible again, pause, drag its box to it, and go on.'
  }
  if (playing) return 'Click the picture to pause, and to correct a box.'
  if (video.ended && !video.live) {
    return 'The end is reached. Move the slider to look at the results; ' +
      'where you correct a box, tracking goes on.'
  }
  if (frame.position < video.tracked_to) {
    return 'Play shows the results. Where you correct a box, Track goes on.'
  }
  return 'Press Track. You can draw more boxes, and move or resize them.'
}

// Returns when a target is lost, or '' if it never is.
export function whenLost({lost_score: lost, found_score: found}) {
  if (lost <= 0) return ''
  const until = found > lost ? ` until it is above ${found.toPrecision(3)}` : ''
  return `A target is lost when its score is below ${lost.toPrecision(3)}` +
    `${until}.`
}
