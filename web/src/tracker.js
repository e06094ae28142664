// Tracks with an exported tracker, as acm_jax/exported/tracker.py does.

import {meanColor, squareCrop} from './crop.js'

const f32 = Math.fround

export class Tracker {
  // `graphs` has a function for each graph, from arrays to arrays by name.
  constructor(contract, graphs) {
    this.contract = contract
    this.graphs = graphs
  }

  // Starts to track the target in a box x, y, w, h of a frame. Returns the
  // template and the state of the target, which `find` takes.
  async start(frame, box) {
    checkBox(box, frame)
    const {template_size: size, graphs} = this.contract
    const fill = meanColor(frame)
    const template = squareCrop(
      frame, templateSquare(box, this.contract), size, fill)
    const {state, squares, ...outputs} = await this.graphs.template(
      {template, box: Float32Array.from(box)})
    const kernel = Object.fromEntries(Object.entries(outputs).filter(
      ([name]) => name in graphs.search.inputs))
    return {template: {kernel, fill}, state: {state, squares}}
  }

  // Finds a target in the next frame. Returns its next state and the result.
  async find(frame, {template: {kernel, fill}, state: {state, squares}}) {
    const size = this.contract.search_size
    const crops = new Float32Array(squares.length / 3 * size * size * 3)
    for (let i = 0; i < squares.length; i += 3) {
      const crop = squareCrop(frame, squares.subarray(i, i + 3), size, fill)
      crops.set(crop, i / 3 * crop.length)
    }
    const outputs = await this.graphs.search({
      ...kernel, state, search: crops,
      frame_size: Int32Array.of(frame.height, frame.width),
    })
    return {
      state: {state: outputs.next_state, squares: outputs.squares},
      result: {
        box: [...outputs.box],
        score: outputs.score[0],
        lost: Boolean(outputs.lost[0]),
        margin: outputs.margin[0],
      },
    }
  }
}

// Returns the square of the template crop: first column, first row and side.
// Rounds to float32 where acm_jax/geometry/squares.py does, because a square
// may begin at another pixel otherwise.
export function templateSquare(box, contract) {
  const [x, y, w, h] = box.map(f32)
  const margin = f32(contract.context_amount * f32(w + h))
  const area = f32(f32(w + margin) * f32(h + margin))
  const side = roundHalfEven(f32(Math.sqrt(area)))
  const corner = (start, length) => {
    const center = f32(
      f32(start + f32(f32(length - 1) / 2)) + 2 * contract.pixel_shift)
    return Math.floor(f32(f32(center - (side + 1) / 2) + 0.5))
  }
  return [corner(x, w), corner(y, h), side]
}

function roundHalfEven(value) {
  const rounded = Math.round(value)
  return rounded - value === 0.5 && rounded % 2 ? rounded - 1 : rounded
}

function checkBox([x, y, w, h], {width, height}) {
  if (!(w >= 1 && h >= 1)) {
    throw new Error(
      'The box is less than a pixel wide or high; draw a larger one.')
  }
  if (!(x < width && y < height && x + w > 0 && y + h > 0)) {
    throw new Error('The box lies outside the frame; draw it in the frame.')
  }
}
