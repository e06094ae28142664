// The page: opens a video, plays and tracks it, and shows the results.

import * as api from './api.js'
import {Camera} from './camera.js'
import {paintScores} from './scores.js'
import {Stage} from './stage.js'
import {Targets} from './targets.js'

const find = (id) => document.getElementById(id)
const about = await api.about()
const color = (target) =>
  `rgb(${about.colors[target % about.colors.length]})`

// `video` is what the application tells of the open video; `results` maps
// positions to {target: [x, y, w, h, score, lost]}.
let video = null
let results = new Map()
let frame = null
let camera = null
let playing = false
let redrawn = null // Target whose box is drawn next.
let ended = false

const stage = new Stage(find('stage'), {
  // The first press only pauses, so that the frame stays under the pointer.
  press() {
    if (!playing) return true
    pause()
    return false
  },
  drawn: (box) => place(box, redrawn),
  changed: (target, box) => place(box, target),
  selected: select,
})

const list = new Targets(find('targets'), color, {select, redraw, remove})

// Opening and closing.

async function open(query, body) {
  await busy('Opening the video …', async () => {
    if (!query.name && !query.address) camera = await new Camera().open()
    try {
      video = await api.open(query, body)
      if (camera) video = {...video, ...await api.addFrame(await camera.take())}
    } catch (error) {
      close()
      throw error
    }
    results = new Map()
    find('start').hidden = true
    find('work').hidden = find('other').hidden = false
    await show(0)
  })
  if (camera) play()
}

function close() {
  pause()
  api.close()
  camera?.close()
  camera = video = frame = stage.frame = null
  redrawn = null
  stage.redrawing = ended = false
  select(null)
  find('start').hidden = false
  find('work').hidden = find('other').hidden = true
}

function openFile(file) {
  const {megabytes} = about.limits
  if (file.size > megabytes * 1e6) {
    fail(new Error(`${file.name}: is larger than ${megabytes} MB; scale it ` +
      'down or cut it, or start the page with a larger --max_megabytes'))
  } else {
    attempt(() => open({name: file.name}, file))
  }
}

// Playing and tracking.

async function play() {
  playing = true
  refresh()
  await attempt(async () => {
    while (playing) {
      const due = performance.now() + 1000 / video.fps
      if (!await forward()) break
      await new Promise((done) => setTimeout(done, due - performance.now()))
    }
  })
  playing = false
  refresh()
}

function pause() {
  playing = false
}

// Goes to the next frame, and tracks if that frame is not tracked yet. Returns
// false at the end.
async function forward() {
  const tracks = video.targets.length > 0 && frame.position >= video.tracked_to
  const next = (tracks ? video.tracked_to : frame.position) + 1
  if (camera && next >= video.length) {
    Object.assign(video, await api.addFrame(await camera.take()))
  }
  if (!tracks) return show(next)
  const {position, results: found, ...state} = await api.step()
  Object.assign(video, state)
  ended = position === null
  if (ended) return false
  results.set(position, {...results.get(position), ...found})
  return show(position)
}

// Shows a frame; returns false if there is none.
async function show(position) {
  if (position < 0) return false
  const found = await api.frame(position)
  if (!video) return false
  ended = found === null
  if (ended) {
    video.length ??= position
    refresh()
    return false
  }
  frame = found
  if (video.live) video.length = Math.max(video.length, position + 1)
  await showResults()
  return true
}

async function showResults() {
  const boxes = new Map()
  for (const [key, [x, y, w, h, score, lost]] of
       Object.entries(results.get(frame.position) ?? {})) {
    const target = Number(key)
    const label = `${target}  ${lost ? 'lost' : score.toFixed(2)}`
    boxes.set(target, {box: [x, y, w, h], label, color: color(target)})
  }
  let heat = null
  const target = stage.selected ?? video.targets[0]
  if (find('map').checked && boxes.has(target)) {
    heat = await api.scores(target, frame.position)
  }
  stage.show(frame, boxes, heat)
  refresh()
}

// Targets.

async function place(box, target) {
  redrawn = null
  stage.redrawing = false
  await attempt(async () => {
    const known = new Set(video.targets)
    take(await api.place(frame.position, box, target))
    select(target ?? video.targets.find((each) => !known.has(each)))
  })
  await showResults()
}

async function remove(target) {
  pause()
  await attempt(async () => take(await api.remove(target)))
  select(null)
  await showResults()
}

function take({results: all, ...state}) {
  Object.assign(video, state)
  results = new Map(Object.entries(all).map(([k, v]) => [Number(k), v]))
}

function select(target) {
  const changed = stage.selected !== target
  stage.selected = target
  if (changed && frame) attempt(showResults)
}

function redraw(target) {
  pause()
  select(target)
  redrawn = target
  stage.redrawing = true
  refresh()
}

// What is shown around the frame.

function refresh() {
  if (!video || !frame) return
  const {position} = frame
  const last = (video.length ?? position + 2) - 1
  const slider = find('slider')
  slider.max = Math.max(last, position)
  slider.value = position
  slider.disabled = playing && video.live
  // Counted from 0, as in the table of boxes.
  const end = video.length ? ` / ${video.length - 1}` : ''
  find('position').value = `Frame ${position}${end}`
  const tracks = video.targets.length > 0 && position >= video.tracked_to
  find('play').textContent = playing ? 'Pause' : tracks ? 'Track' : 'Play'
  find('play').classList.toggle('primary', tracks || playing)
  find('play').disabled = !playing && ended && !video.live
  for (const id of ['csv', 'mp4']) {
    find(id).classList.toggle('off', !video.targets.length)
  }
  find('hint').textContent = hint()
  list.update(
    video.targets, results.get(position) ?? {}, stage.selected)
  paintScores(find('scores'), results, video.targets, slider.max, color)
}

function hint() {
  const found = results.get(frame.position) ?? {}
  const lost = Object.keys(found).filter((target) => found[target][5])
  if (redrawn !== null) return `Draw the new box of target ${redrawn}.`
  if (playing && !video.targets.length) {
    return 'Click the picture to pause when you see what you want to follow.'
  }
  if (!video.targets.length) {
    return 'Draw a box around what you want to follow, in any frame.'
  }
  if (lost.length) {
    return `Target ${lost.join(', ')} is lost. ` +
      'Where it is visible again, pause, drag its box to it, and go on.'
  }
  if (playing) return 'Click the picture to pause, and to correct a box.'
  if (ended && !video.live) {
    return 'The end is reached. Move the slider to look at the results; ' +
      'where you correct a box, tracking goes on.'
  }
  if (frame.position < video.tracked_to) {
    return 'Play shows the results. Where you correct a box, Track goes on.'
  }
  return 'Press Track. You can draw more boxes, and move or resize them.'
}

// Errors and long work.

function fail(error) {
  find('error').hidden = false
  find('error').firstElementChild.textContent = error.message
}

async function attempt(work) {
  find('error').hidden = true
  try {
    return await work()
  } catch (error) {
    fail(error)
    if (error.status === 404 && video && /no longer open/.test(error.message)) {
      close()
    }
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

const step = (work) => () => {
  pause()
  attempt(work)
}
const back = step(() => show(frame.position - 1))
const forth = step(() => forward())

find('file').onchange = ({target}) => {
  if (target.files.length) openFile(target.files[0])
  target.value = ''
}
find('camera').onclick = () => attempt(() => open({}))
find('by-address').onsubmit = (event) => {
  event.preventDefault()
  attempt(() => open({address: find('address').value.trim()}))
}
find('other').onclick = close
find('play').onclick = () => playing ? pause() : play()
find('back').onclick = back
find('forth').onclick = forth
find('slider').oninput = ({target}) => {
  pause()
  seek(Number(target.value))
}
find('map').onchange = () => attempt(showResults)
find('error').lastElementChild.onclick = () => { find('error').hidden = true }
find('mp4').onclick = (event) => {
  event.preventDefault()
  pause()
  attempt(() => busy('Writing the video …', async () => {
    const file = await api.file('tracked.mp4')
    const link = Object.assign(document.createElement('a'),
      {href: URL.createObjectURL(file), download: 'tracked.mp4'})
    link.click()
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000)
  }))
}
find('csv').onclick = ({currentTarget}) => {
  currentTarget.href = api.download('boxes.csv')
}

// While the slider moves, only its newest position is shown.
let wanted = null
async function seek(position) {
  const idle = wanted === null
  wanted = position
  if (!idle) return
  await attempt(async () => {
    for (let now = null; now !== wanted;) await show(now = wanted)
  })
  wanted = null
}

addEventListener('keydown', (event) => {
  if (!video || event.target.matches('input[type=text]')) return
  const actions = {
    ' ': () => playing ? pause() : play(),
    ArrowLeft: back,
    ArrowRight: forth,
    Delete: () => stage.selected !== null && remove(stage.selected),
  }
  if (!(event.key in actions) || event.target.matches('button, a')) return
  event.preventDefault()
  actions[event.key]()
})

const drop = find('drop')
for (const kind of ['dragover', 'dragleave', 'drop']) {
  addEventListener(kind, (event) => {
    event.preventDefault()
    drop.classList.toggle('over', kind === 'dragover')
    const [file] = event.dataTransfer?.files ?? []
    if (kind === 'drop' && file && !video) openFile(file)
  })
}
addEventListener('pagehide', api.close)

find('tracker').textContent = about.tracker
find('by-address').hidden = !about.addresses
find('limits').textContent = `At most ${about.limits.megabytes} MB and ` +
  `${about.limits.seconds} seconds. Nothing leaves the machine that runs acm-jax.`
