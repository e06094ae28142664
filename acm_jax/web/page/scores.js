// The score of each target over time; places where it is lost are red.

const LOST = '#c0362c'
const MARGIN = 8 // Half the width of the slider's thumb, px.

// Draws the results of a video whose last position is `last`. The score `lost`,
// below which a target is lost, is a line halfway up: most scores are near it.
export function paintScores(canvas, {results, targets}, last, color, lost) {
  const {clientWidth: width, clientHeight: height} = canvas
  canvas.width = width * devicePixelRatio
  canvas.height = height * devicePixelRatio
  const pen = canvas.getContext('2d')
  pen.scale(devicePixelRatio, devicePixelRatio)
  const step = (width - 2 * MARGIN) / Math.max(1, last)
  const x = (position) => MARGIN + position * step
  const part = (score) => !(lost > 0 && lost < 1) ? score :
    score < lost ? score / lost / 2 : 1 - (1 - score) / (1 - lost) / 2
  const y = (score) => 2 + (1 - part(score)) * (height - 8)
  if (lost > 0) {
    pen.setLineDash([4, 4])
    pen.strokeStyle = '#8888'
    pen.beginPath()
    pen.moveTo(MARGIN, y(lost))
    pen.lineTo(width - MARGIN, y(lost))
    pen.stroke()
    pen.setLineDash([])
  }
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
