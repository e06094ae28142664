import assert from 'node:assert/strict'
import {createHash} from 'node:crypto'
import {test} from 'node:test'
import {checkGraph, read} from '../src/contract.js'

const CONTRACT = {
  version: 1, format: 'onnx', colors: 'RGB', layout: 'NHWC', values: [0, 255],
  graphs: {
    template: {
      inputs: {template: {}, box: {}},
      outputs: {kernel: {}, state: {}},
    },
    search: {inputs: {search: {}, state: {}, frame_size: {}, kernel: {}}},
  },
}
const wide = structuredClone(CONTRACT)
wide.graphs.search.inputs.wide_search = {}

test('a contract of version 1 is read', () => {
  assert.deepEqual(read(JSON.stringify(CONTRACT)), CONTRACT)
})

for (const [name, changed, message] of [
  ['another version', {...CONTRACT, version: 2}, /has version 2 .* version 1/],
  ['another format', {...CONTRACT, format: 'tflite'}, /was exported as tflite/],
  ['other colours', {...CONTRACT, colors: 'BGR'}, /crops are BGR, NHWC, 0,255/],
  ['another range', {...CONTRACT, values: [0, 1]}, /crops are RGB, NHWC, 0,1/],
  ['an unknown input', wide, /search needs the input wide_search, which/],
  ['a list', [], /has version undefined/],
  ['null', null, /has version undefined/],
]) {
  test(`${name} is refused`, () => {
    assert.throws(() => read(JSON.stringify(changed)), {message})
  })
}

test('a text that is not JSON is refused', () => {
  assert.throws(() => read('<html>'), {message: /^tracker.json: is not JSON; /})
})

test('a graph with another checksum is refused', async () => {
  const bytes = Uint8Array.of(1, 2, 3)
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  const graph = {file: 'search.onnx', sha256}
  await checkGraph(graph, bytes)
  await assert.rejects(checkGraph(graph, bytes.subarray(1)),
    {message: /^search.onnx: damaged \(wrong checksum\)/})
})
