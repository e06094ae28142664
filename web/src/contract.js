// The contract of an exported tracker, tracker.json (docs/export.md).

export const FILE = 'tracker.json'
const VERSION = 1
const ADVICE = 'export the tracker again with `acm-jax export --format onnx`'
const COMPUTED = ['template', 'box', 'search', 'state', 'frame_size']

// Reads the text of tracker.json, and checks that `Tracker` does all that the
// graphs need.
export function read(text) {
  let contract
  try {
    contract = JSON.parse(text)
  } catch {
    throw new Error(`${FILE}: is not JSON; ${ADVICE}`)
  }
  if (contract?.version !== VERSION) {
    throw new Error(`${FILE}: has version ${contract?.version} of the ` +
      `contract, but this page reads version ${VERSION}; ${ADVICE}`)
  }
  const {format, colors, layout, values, graphs} = contract
  if (format !== 'onnx') {
    throw new Error(`${FILE}: the tracker was exported as ${format}; ${ADVICE}`)
  }
  if (colors !== 'RGB' || layout !== 'NHWC' || `${values}` !== '0,255') {
    throw new Error(`${FILE}: crops are ${colors}, ${layout}, ${values}, but ` +
      'this page makes crops that are RGB, NHWC, 0,255')
  }
  const known = [...COMPUTED, ...Object.keys(graphs.template.outputs)]
  for (const [name, {inputs}] of Object.entries(graphs)) {
    const missing = Object.keys(inputs).find((input) => !known.includes(input))
    if (missing) {
      throw new Error(`${FILE}: the graph ${name} needs the input ` +
        `${missing}, which this page cannot compute; export another tracker`)
    }
  }
  return contract
}

// Checks that a graph's file, an ArrayBuffer, is the one that was exported.
export async function checkGraph({file, sha256}, bytes) {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
  const hex = [...digest].map((byte) => byte.toString(16).padStart(2, '0'))
  if (hex.join('') !== sha256) {
    throw new Error(`${file}: damaged (wrong checksum); ${ADVICE}`)
  }
}
