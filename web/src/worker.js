// Loads the tracker and tracks, so that the page stays responsive.

import * as contracts from './contract.js'
import * as ort from './ort/ort.wasm.min.mjs'
import {Tracker} from './tracker.js'

const FOLDER = 'tracker/'
// Threads wait for each other: on a machine that is busy, one thread per core
// is slower than one thread.
const MOST_THREADS = 4

ort.env.wasm.wasmPaths = new URL('ort/', import.meta.url).href
ort.env.wasm.numThreads = crossOriginIsolated ?
  Math.min(MOST_THREADS, Math.ceil(navigator.hardwareConcurrency / 2)) : 1

const canvas = new OffscreenCanvas(1, 1)
const pen = canvas.getContext('2d', {willReadFrequently: true})
let tracker = null

const actions = {
  async load() {
    const contract = contracts.read(await (await get(contracts.FILE)).text())
    const graphs = {}
    for (const [name, graph] of Object.entries(contract.graphs)) {
      graphs[name] = await load(graph)
    }
    tracker = new Tracker(contract, graphs)
    return {name: contract.name, smallest: contract.smallest_side}
  },

  start: (image, box) => tracker.start(frameOf(image), box),

  async find(image, targets) {
    const found = []
    for (const target of targets) {
      found.push(await tracker.find(frameOf(image), target))
    }
    return found
  },
}

async function get(file) {
  const answer = await fetch(FOLDER + file)
  if (!answer.ok) {
    throw new Error(`${file}: cannot be loaded (${answer.status}); build the ` +
      'page again from an exported tracker')
  }
  return answer
}

// Loads a graph as a function from arrays to arrays by name.
async function load(graph) {
  const bytes = await (await get(graph.file)).arrayBuffer()
  await contracts.checkGraph(graph, bytes)
  let session
  try {
    session = await ort.InferenceSession.create(bytes)
  } catch (error) {
    throw new Error(
      `${graph.file}: onnxruntime cannot load the graph (${error.message})`)
  }
  return async (arrays) => {
    const inputs = {}
    for (const [name, {dtype, shape}] of Object.entries(graph.inputs)) {
      inputs[name] = new ort.Tensor(dtype, arrays[name], shape)
    }
    const outputs = Object.entries(await session.run(inputs))
    return Object.fromEntries(outputs.map(([name, {data}]) => [name, data]))
  }
}

// Returns a frame for `squareCrop`; reads only the pixels that are asked for.
function frameOf(image) {
  const read = (left, top, width, height) => {
    Object.assign(canvas, {width, height})
    pen.drawImage(image, -left, -top)
    return pen.getImageData(0, 0, width, height).data
  }
  return {width: image.width, height: image.height, read}
}

// A session runs once at a time.
let done = Promise.resolve()
onmessage = ({data: {number, action, values}}) => {
  done = done.then(async () => {
    try {
      postMessage({number, value: await actions[action](...values)})
    } catch (error) {
      postMessage({number, error: error.message})
    }
    for (const value of values) if (value instanceof ImageBitmap) value.close()
  })
}
