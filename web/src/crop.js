// Square crops of frames, as in acm_jax/exported/crop.py. A frame is {width,
// height, read}; read(left, top, width, height) returns RGBA bytes.

// Returns the mean colour of a frame, truncated to whole numbers.
export function meanColor({width, height, read}) {
  const pixels = read(0, 0, width, height)
  const sums = [0, 0, 0]
  for (let at = 0; at < pixels.length; at += 4) {
    for (let c = 0; c < 3; c++) sums[c] += pixels[at + c]
  }
  return sums.map((sum) => Math.floor(sum / (width * height)))
}

// Crops a square (first column, first row, side), and resizes it bilinearly.
// Pixels outside of the frame have the colour `fill`. Returns size * size * 3
// colours in 0 to 255, which are not rounded.
export function squareCrop({width, height, read}, square, size, fill) {
  const [left, top, side] = square
  const columns = span(left, side, width)
  const rows = span(top, side, height)
  const crop = new Float32Array(size * size * 3)
  const pixels = columns.length && rows.length ?
    read(columns.first, rows.first, columns.length, rows.length) : null
  const horizontal = taps(side, size, left - columns.first, columns.length)
  const vertical = taps(side, size, top - rows.first, rows.length)
  const at = (row, column, c) => row < 0 || column < 0 ? fill[c] :
    pixels[4 * (row * columns.length + column) + c]
  let end = 0
  for (const [above, below, lower] of vertical) {
    for (const [before, after, right] of horizontal) {
      for (let c = 0; c < 3; c++) {
        const upper = mix(at(above, before, c), at(above, after, c), right)
        const under = mix(at(below, before, c), at(below, after, c), right)
        crop[end++] = mix(upper, under, lower)
      }
    }
  }
  return crop
}

// Returns the part of a square's axis that lies in the frame.
function span(start, side, limit) {
  const first = Math.max(start, 0)
  return {first, length: Math.max(0, Math.min(start + side, limit) - first)}
}

// Returns, for each pixel of a resized axis, the two pixels that it mixes (-1
// outside of the `length` pixels in the frame) and the weight of the second.
// Pixel centres lie at half-integers, and pixels beyond the square do not
// contribute, as in OpenCV.
function taps(side, size, offset, length) {
  const inside = (place) => place >= 0 && place < length ? place : -1
  return Array.from({length: size}, (_, i) => {
    const exact = (i + 0.5) * side / size - 0.5
    const place = Math.min(Math.max(exact, 0), side - 1)
    const first = Math.floor(place)
    const second = Math.min(first + 1, side - 1)
    return [inside(first + offset), inside(second + offset), place - first]
  })
}

const mix = (a, b, weight) => a + (b - a) * weight
