// The score of each target over time; places where it is lost are red.

const LOST = '#c0362c'
const MARGIN = 8 // Half the width of the slider's thumb, px.

// Draws the `results` ([x, y, w, h, score, lost] by position and target) of a
// video whose last position is `last`.
export function paintScores(canvas, results, targets, last, color) {
  const {clientWidth: width, clientHeight: height} = canvas
  canvas.width = width * devicePixelRatio
  canvas.height = height * devicePixelRatio
  const pen = canvas.getContext('2d')
  pen.scale(devicePixelRatio, devicePixelRatio)
  const step = (width - 2 * MARGIN) / Math.max(1, last)
  const x = (position) => MARGIN + position * step
  const y = (score) => 2 + (1 - score) * (height - 8)
  const positions = [...results.keys()].sort((a, b) => a - b)
  for (const target of targets) {
    pen.beginPath()
    let before = null
    for (const position of positions) {
      const found = results.get(position)[target]
      if (!found) continue
      const joined = before === position - 1
      pen[joined ? 'lineTo' : 'moveTo'](x(position), y(found[4]))
      before = position
      if (!found[5]) continue
      pen.fillStyle = LOST
      pen.fillRect(x(position) - step / 2, height - 4, Math.max(1.5, step), 4)
    }
    pen.strokeStyle = color(target)
    pen.lineWidth = 1.5
    pen.stroke()
  }
}
