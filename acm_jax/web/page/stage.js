// The frame, with boxes that the user draws, moves and resizes. Coordinates are
// pixels of the frame; a box is [x, y, w, h].

const GRIP = 9 // Reach of a corner, px of the screen.
const SMALLEST = 4 // Smaller boxes count as clicks, px of the screen.

export class Stage {
  // `on.press()` returns whether a press may change boxes; `on.drawn(box)`,
  // `on.changed(target, box)` and `on.selected(target)` tell what was done.
  constructor(canvas, on) {
    this.canvas = canvas
    this.on = on
    this.frame = null
    this.boxes = new Map() // target: {box, label, color}
    this.selected = null
    this.redrawing = false // Whether presses draw a box even in another one.
    this.heat = null
    this.drag = null
    canvas.addEventListener('pointerdown', (event) => this.press(event))
    canvas.addEventListener('pointermove', (event) => this.move(event))
    canvas.addEventListener('pointerup', () => this.release())
    canvas.addEventListener('pointercancel', () => this.cancel())
    new ResizeObserver(() => this.fit()).observe(canvas.parentElement)
  }

  // Forgets the video.
  clear() {
    this.frame?.image.close()
    Object.assign(this, {
      frame: null, boxes: new Map(), selected: null, redrawing: false,
      heat: null, drag: null})
  }

  // Ends what is being drawn or moved, and keeps the boxes.
  cancel() {
    this.drag = null
    this.draw()
  }

  show(frame, boxes, heat) {
    if (frame !== this.frame) this.frame?.image.close()
    Object.assign(this, {frame, boxes, heat})
    this.fit()
  }

  // Gives the canvas the largest size in which the whole frame is visible.
  fit() {
    if (!this.frame) return
    const room = this.canvas.parentElement
    const {width, height} = this.frame
    const flexible = getComputedStyle(room).flexGrow > 0
    const scale = Math.min(
      room.clientWidth / width,
      flexible ? room.clientHeight / height : innerHeight * 0.6 / height)
    const sides = [width * scale, height * scale].map(Math.floor)
    const ratio = devicePixelRatio
    ;[this.canvas.style.width, this.canvas.style.height] =
      sides.map((side) => `${side}px`)
    ;[this.canvas.width, this.canvas.height] =
      sides.map((side) => Math.round(side * ratio))
    this.draw()
  }

  // Pixels of the screen per pixel of the frame.
  get scale() {
    return this.canvas.clientWidth / this.frame.width
  }

  at(event) {
    const place = this.canvas.getBoundingClientRect()
    const {width, height} = this.frame
    const x = (event.clientX - place.left) * width / place.width
    const y = (event.clientY - place.top) * height / place.height
    return [Math.min(Math.max(x, 0), width), Math.min(Math.max(y, 0), height)]
  }

  // Returns what a press would take: a corner or the inside of a box.
  find([x, y]) {
    const reach = GRIP / this.scale
    const order = [...this.boxes].sort(([a], [b]) =>
      (b === this.selected) - (a === this.selected))
    for (const [target, {box: [left, top, w, h]}] of order) {
      for (const right of [0, 1]) for (const below of [0, 1]) {
        const near = Math.hypot(left + right * w - x, top + below * h - y)
        if (near < reach) return {target, right, below}
      }
    }
    const inside = order.filter(([, {box: [left, top, w, h]}]) =>
      x >= left && x <= left + w && y >= top && y <= top + h)
    return inside.length ? {target: inside[0][0]} : null
  }

  press(event) {
    if (!this.frame || event.button || !this.on.press()) return
    this.canvas.setPointerCapture(event.pointerId)
    const start = this.at(event)
    const found = this.redrawing ? null : this.find(start)
    if (found) this.on.selected(found.target)
    const before = found ? this.boxes.get(found.target).box : null
    this.drag = {start, found, before, box: before, moved: false}
  }

  move(event) {
    if (!this.frame) return
    const place = this.at(event)
    if (!this.drag) {
      const found = this.redrawing ? null : this.find(place)
      this.canvas.style.cursor = !found ? 'crosshair' :
        found.right === undefined ? 'move' :
        found.right === found.below ? 'nwse-resize' : 'nesw-resize'
      return
    }
    const {start, found, before} = this.drag
    const [x, y] = place
    if (found && found.right === undefined) {
      const [left, top, w, h] = before
      this.drag.box = [left + x - start[0], top + y - start[1], w, h]
    } else if (found) {
      const [left, top, w, h] = before
      this.drag.box = spanned(
        [found.right ? left : left + w, found.below ? top : top + h], place)
    } else {
      this.drag.box = spanned(start, place)
    }
    const distance = Math.hypot(x - start[0], y - start[1]) * this.scale
    this.drag.moved ||= distance > SMALLEST
    this.draw()
  }

  release() {
    const drag = this.drag
    this.drag = null
    if (!drag) return
    const large = drag.box &&
      Math.min(drag.box[2], drag.box[3]) * this.scale >= SMALLEST
    if (drag.moved && large) {
      const box = drag.box.map((side) => Math.round(side * 10) / 10)
      if (drag.found) this.on.changed(drag.found.target, box)
      else this.on.drawn(box)
    }
    this.draw()
  }

  draw() {
    const {canvas, frame, drag} = this
    if (!frame) return
    const pen = canvas.getContext('2d')
    const unit = frame.width / canvas.width * devicePixelRatio
    pen.setTransform(
      canvas.width / frame.width, 0, 0, canvas.height / frame.height, 0, 0)
    pen.drawImage(frame.image, 0, 0, frame.width, frame.height)
    if (this.heat) paintHeat(pen, this.heat)
    for (const [target, each] of this.boxes) {
      const box = drag?.found?.target === target ? drag.box : each.box
      const selected = target === this.selected
      paintBox(pen, box, each.color, each.label, unit, selected)
    }
    if (drag && !drag.found && drag.box) {
      paintBox(pen, drag.box, '#fff', '', unit, false)
    }
  }
}

function spanned([x0, y0], [x1, y1]) {
  return [Math.min(x0, x1), Math.min(y0, y1), Math.abs(x1 - x0), Math.abs(y1 - y0)]
}

// Draws with lines and letters of the same size at any scale; `unit` is a pixel
// of the screen.
function paintBox(pen, [x, y, w, h], color, label, unit, selected) {
  for (const [style, width] of [['#000a', 5], [color, 2.5]]) {
    pen.strokeStyle = style
    pen.lineWidth = width * unit
    pen.strokeRect(x, y, w, h)
  }
  if (selected) {
    pen.fillStyle = color
    for (const right of [0, 1]) for (const below of [0, 1]) {
      pen.beginPath()
      pen.arc(x + right * w, y + below * h, 5 * unit, 0, 7)
      pen.fill()
    }
  }
  if (!label) return
  pen.font = `600 ${13 * unit}px system-ui, sans-serif`
  const width = pen.measureText(label).width + 10 * unit
  const top = y > 22 * unit ? y - 22 * unit : y + 3 * unit
  pen.fillStyle = color
  pen.fillRect(x, top, width, 19 * unit)
  pen.fillStyle = '#000'
  pen.fillText(label, x + 5 * unit, top + 14 * unit)
}

// Draws scores as a veil that is more opaque and warmer where they are higher.
function paintHeat(pen, {scores, box: [x, y, w, h]}) {
  const size = scores.length
  const small = new OffscreenCanvas(size, size)
  const pixels = new ImageData(size, size)
  scores.flat().forEach((score, i) => {
    const value = Math.min(1, Math.max(0, score))
    pixels.data.set(
      [255, 220 - 190 * value, 60 - 60 * value, 190 * value], 4 * i)
  })
  small.getContext('2d').putImageData(pixels, 0, 0)
  pen.drawImage(small, x, y, w, h)
  pen.strokeStyle = '#fff9'
  pen.lineWidth = w / 300
  pen.strokeRect(x, y, w, h)
}
