import assert from 'node:assert/strict'
import {test} from 'node:test'
import {History} from '../src/history.js'

const entry = (time, x = 0) => ({
  time, template: 'template', state: 'state',
  result: {box: [x, 1, 2, 3], score: 0.5, lost: true, margin: -0.25},
})

function filled() {
  const history = new History()
  history.start(0, entry(0.5))
  history.add(0, entry(1.5))
  history.add(0, entry(1))
  history.start(3, entry(1))
  return history
}

const times = (history, target) =>
  history.tracks.get(target).map(({time}) => time)

test('entries are kept in the order of time', () => {
  assert.deepEqual(times(filled(), 0), [0.5, 1, 1.5])
})

test('a frame has only the targets that were found in it', () => {
  assert.deepEqual([...filled().at(1).keys()], [0, 3])
  assert.deepEqual([...filled().at(1.5).keys()], [0])
  assert.deepEqual([...filled().at(1.2).keys()], [])
})

test('a frame is tracked from the latest earlier entry of each target', () => {
  const before = filled().before(1.2)
  assert.deepEqual([...before.keys()], [0, 3])
  assert.equal(before.get(0).time, 1)
})

test('a frame is not tracked again, nor before the start of a target', () => {
  assert.equal(filled().before(1).size, 0)
  assert.equal(filled().before(0.2).size, 0)
})

test('a correction ends the later entries of its target alone', () => {
  const history = filled()
  history.start(0, entry(1, 7))
  assert.deepEqual(times(history, 0), [0.5, 1])
  assert.equal(history.at(1).get(0).result.box[0], 7)
  assert.deepEqual(times(history, 3), [1])
})

test('the table has a row for each entry, by time and target', () => {
  assert.equal(filled().csv(), [
    'time,target,x,y,w,h,score,lost,margin',
    '0.500000,0,0.000,1.000,2.000,3.000,0.500,1,-0.250',
    '1.000000,0,0.000,1.000,2.000,3.000,0.500,1,-0.250',
    '1.000000,3,0.000,1.000,2.000,3.000,0.500,1,-0.250',
    '1.500000,0,0.000,1.000,2.000,3.000,0.500,1,-0.250',
    '',
  ].join('\n'))
})

test('a removed target is gone', () => {
  const history = filled()
  history.remove(0)
  assert.deepEqual(history.targets, [3])
  assert.equal(history.before(9).has(0), false)
})
