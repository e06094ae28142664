// The page: opens a video or the camera, tracks, and shows the results.

import {History} from './history.js'
import {install} from './offline.js'
import {Stage} from './shared/stage.js'
import {Targets} from './shared/targets.js'
import {openCamera, openFile} from './source.js'
import {check} from './support.js'
import {Tracking} from './tracking.js'

// As in acm_jax/running/drawing.py.
const COLORS = [
  '#e69f00', '#56b4e9', '#009e73', '#f0e442', '#d55e00', '#cc79a7', '#0072b2',
  '#999999']
// Steps over which the speed is averaged.
const WINDOW = 20

const find = (id) => document.getElementById(id)
const color = (target) => COLORS[target % COLORS.length]

let tracking = null
let smallest = 0
let source = null
let frame = null
let history = new History()
let run = null // While the video plays: an object of this run's own.
let wanted = null // Time that is sought, s.
let redrawn = null // Target whose box is drawn next.
let finished = [] // Times at which the last frames were tracked, ms.

const stage = new Stage(find('stage'), {
  press() {
    pause()
    return true
  },
  drawn: (box) => place(box, redrawn),
  changed: (target, box) => place(box, target),
  selected: select,
})

const list = new Targets(find('targets'), color, {select, redraw, remove})

// Opening and closing.

async function open(opened) {
  clearError()
  find('start').inert = true
  await attempt(async () => {
    source = await busy('Opening the video …', opened)
    history = new History()
    find('start').hidden = true
    find('work').hidden = find('other').hidden = false
    if (source.live) play()
    else await seek(0)
  })
  find('start').inert = false
}

function close() {
  pause()
  source.close()
  source = frame = stage.frame = null
  redraw(null)
  select(null)
  find('start').hidden = false
  find('work').hidden = find('other').hidden = true
}

// Playing and tracking.

async function play() {
  const own = run = {}
  finished = []
  source.play(frame?.time)
  await attempt(async () => {
    for (let next; next = await source.next();) {
      const found = await track(next)
      // Neither shown nor kept if the user has stopped this run.
      if (own !== run) return next.image.close()
      for (const [target, entry] of found) history.add(target, entry)
      if (found.length) {
        finished = [...finished.slice(-WINDOW), performance.now()]
      }
      show(next)
    }
  })
  if (own === run) pause()
}

function pause() {
  run = null
  source.pause()
  refresh()
}

// Finds the targets in a frame, except where they have been found before.
// Returns the entry of each for the history.
async function track({image, time}) {
  const entries = [...history.before(time)]
  if (!entries.length) return []
  const found = await tracking.find(image, entries.map(
    ([, {template, state}]) => ({template, state})))
  return entries.map(([target, {template}], i) =>
    [target, {time, template, ...found[i]}])
}

// While the slider moves, only its newest position is shown.
async function seek(time) {
  const idle = wanted === null
  wanted = time
  if (!idle) return
  pause()
  await attempt(async () => {
    for (let now = null; source && now !== wanted;) {
      const next = await source.seek(now = wanted)
      if (next) show(next)
    }
  })
  wanted = null
}

function show(next) {
  frame = next
  showResults()
}

function showResults() {
  if (!frame) return
  const boxes = new Map()
  for (const [target, {result}] of history.at(frame.time)) {
    const label = `${target}  ${result.lost ? 'lost' : result.score.toFixed(2)}`
    boxes.set(target, {box: result.box, label, color: color(target)})
  }
  stage.show(frame, boxes, null)
  refresh()
}

// Targets.

// Tracks on from a drawn box, of a new target by default.
async function place(box, target) {
  clearError()
  redraw(null)
  const {image, time} = frame
  const own = source
  await attempt(async () => {
    const started = await busy('Starting …', () => tracking.start(image, box))
    if (own !== source) return
    target ??= Math.max(-1, ...history.targets) + 1
    const result = {box, score: 1, lost: false, margin: 1}
    history.start(target, {time, result, ...started})
    select(target)
    if (Math.min(box[2], box[3]) < smallest) {
      throw new Error(`The box is ${box[2]} x ${box[3]} pixels, but the ` +
        `tracker finds boxes of at least ${smallest} x ${smallest}.`)
    }
  })
  if (own !== source) return
  showResults()
  if (history.targets.length) play()
}

function remove(target) {
  pause()
  history.remove(target)
  select(null)
  showResults()
}

function select(target) {
  stage.selected = target
  showResults()
}

function redraw(target) {
  redrawn = target
  stage.redrawing = target !== null
  if (target === null) return
  pause()
  select(target)
}

// What is shown around the frame.

function refresh() {
  if (!frame) return
  const {live, duration, ended} = source
  const slider = find('slider')
  slider.hidden = live
  slider.max = duration
  slider.value = frame.time
  const end = live ? '' : ` / ${duration.toFixed(1)}`
  find('position').value = `${frame.time.toFixed(1)}${end} s${speed()}`
  find('play').textContent = run ? 'Pause' : 'Play'
  find('play').disabled = !run && ended && !live
  find('csv').classList.toggle('off', !history.targets.length)
  find('hint').textContent = hint()
  const entries = [...history.at(frame.time)].map(([target, {result}]) =>
    [target, [...result.box, result.score, result.lost]])
  list.update(history.targets, Object.fromEntries(entries), stage.selected)
}

function speed() {
  if (!run || finished.length < 2) return ''
  const seconds = (finished.at(-1) - finished[0]) / 1000
  return `, ${((finished.length - 1) / seconds).toFixed(0)} frames/s`
}

function hint() {
  const lost = [...history.at(frame.time)].filter(([, {result}]) => result.lost)
  if (redrawn !== null) return `Draw the new box of target ${redrawn}.`
  if (!history.targets.length) {
    return 'Draw a box around what you want to follow. Tracking begins at once.'
  }
  if (lost.length) {
    return `Target ${lost.map(([target]) => target).join(', ')} is lost. ` +
      'Where it is visible again, move its box to it, or draw it again.'
  }
  if (run) return 'Press the picture to pause, to correct a box or to draw one.'
  if (source.ended && !source.live) {
    return 'The end is reached. Move the slider to look at the results; ' +
      'where you correct a box, tracking goes on.'
  }
  return 'Press Play to go on. A box that you draw or move is tracked from ' +
    'this frame on.'
}

// Errors and long work.

function fail(error) {
  find('error').hidden = false
  find('error').firstElementChild.textContent = error.message
}

function clearError() {
  find('error').hidden = true
}

async function attempt(work) {
  try {
    return await work()
  } catch (error) {
    fail(error)
  }
}

async function busy(text, work) {
  find('busy').textContent = text
  find('busy').hidden = false
  try {
    return await work()
  } finally {
    find('busy').hidden = true
  }
}

// Controls.

find('file').onchange = ({target}) => {
  const [file] = target.files
  if (file) open(() => openFile(file))
  target.value = ''
}
find('camera').onclick = () => open(openCamera)
find('other').onclick = close
find('play').onclick = () => run ? pause() : play()
find('error').lastElementChild.onclick = clearError
find('csv').onclick = ({currentTarget}) => {
  URL.revokeObjectURL(currentTarget.href)
  currentTarget.href = URL.createObjectURL(
    new Blob([history.csv()], {type: 'text/csv'}))
}

find('slider').oninput = ({target}) => seek(Number(target.value))

addEventListener('keydown', (event) => {
  if (!source) return
  // Space presses a button that has the focus.
  if (event.key === ' ' && event.target.matches('button, a')) return
  const actions = {
    ' ': () => run ? pause() : play(),
    Delete: () => stage.selected !== null && remove(stage.selected),
  }
  if (!(event.key in actions)) return
  event.preventDefault()
  actions[event.key]()
})

for (const kind of ['dragover', 'dragleave', 'drop']) {
  addEventListener(kind, (event) => {
    event.preventDefault()
    find('drop').classList.toggle('over', kind === 'dragover')
    const [file] = event.dataTransfer?.files ?? []
    if (kind === 'drop' && file && tracking && !source) {
      open(() => openFile(file))
    }
  })
}

// A hidden page is shown no frames.
document.addEventListener('visibilitychange', () => {
  if (document.hidden && run) pause()
})

attempt(() => busy('Loading the tracker …', async () => {
  check()
  if (!await install()) return
  const loading = new Tracking()
  const about = await loading.load()
  tracking = loading
  smallest = about.smallest
  find('tracker').textContent = about.name
  find('file').disabled = find('camera').disabled = false
  find('file').parentElement.classList.remove('off')
}))
