// The page: opens a video, plays and tracks it, and shows the results.

import * as api from './api.js'
import {Camera} from './camera.js'
import {hint, whenLost} from './hints.js'
import {busy, clearError, fail, tell} from './messages.js'
import {paintScores} from './scores.js'
import {Stage} from './stage.js'
import {Targets} from './targets.js'

const find = (id) => document.getElementById(id)
const about = await api.about()
const color = (target) => `rgb(${about.colors[target]})`

// The open video: what the application tells of it; `remote`, which asks it;
// `camera`, if its frames come from there; `results`, from positions to
// {target: [x, y, w, h, score, lost]}; `playing`, which is null if it is not
// played; `ended`, whether there is no frame after the shown one; `last`, which
// ends with the last action, and the number `waiting` of those to come.
let video = null
let frame = null
let opening = null // AbortController of the video that is being opened.
let redrawn = null // Target whose box is drawn next.

const stage = new Stage(find('stage'), {
  // The first press only pauses, so that the frame stays under the pointer.
  press() {
    if (!video.playing) return true
    pause()
    return false
  },
  drawn: (box) => place(box, redrawn),
  changed: (target, box) => place(box, target),
  selected: select,
})

const list = new Targets(
  find('targets'), color, {select, redraw, remove}, whenLost(about))

// Opening and closing.

async function open(query, body) {
  if (opening || video) return
  const closing = opening = new AbortController()
  const working = (text) => tell(text, () => closing.abort())
  let camera, opened
  clearError()
  find('start').inert = true
  working('Opening the video …')
  try {
    if (!body && !query.address) camera = await new Camera().open()
    closing.signal.throwIfAborted()
    opened = await api.open(query, body, closing, (part) => working(
      part < 1 ? `Uploading: ${Math.round(100 * part)} %` :
        'Opening the video …'))
    if (camera) {
      Object.assign(opened, await opened.remote.addFrame(await camera.take()))
    }
    closing.signal.throwIfAborted()
    video = {
      ...opened, camera, results: new Map(), playing: null, ended: false,
      last: Promise.resolve(), waiting: 0,
    }
  } catch (error) {
    camera?.close()
    opened?.remote.close()
    if (!closing.signal.aborted) fail(error)
  } finally {
    opening = null
    find('start').inert = false
    tell(null)
  }
  if (!video) return
  find('start').hidden = true
  find('work').hidden = find('other').hidden = false
  await run(() => show(0))
  if (video && !frame) close()
  if (video?.camera) play()
}

function close() {
  opening?.abort()
  if (!video) return
  video.playing = null
  video.camera?.close()
  video.remote.close()
  video = frame = redrawn = null
  stage.clear()
  tell(null)
  find('start').hidden = false
  find('work').hidden = find('other').hidden = true
}

function openFile(file) {
  const {megabytes} = about.limits
  if (file.size > megabytes * 1e6) {
    fail(new Error(`${file.name}: is larger than ${megabytes} MB; scale it ` +
      'down or cut it, or start the page with a larger --max_megabytes'))
  } else {
    open({name: file.name}, file)
  }
}

// Actions. They are done one after the other, each from where the one before
// has ended. What fails because the video was closed is not told.

async function attempt(work) {
  const tried = video
  clearError()
  try {
    await work()
  } catch (error) {
    if (video !== tried) return
    fail(error)
    if (error.status === 404 && /no longer open/.test(error.message)) close()
  }
}

// Ends playing and does an action; tells of it if it takes long.
function run(work, text = 'Reading the video …') {
  const tried = video
  pause()
  tried.waiting += 1
  tried.last = tried.last.then(async () => {
    if (video === tried) {
      await attempt(() => text ? busy(text, work) : work())
    }
    tried.waiting -= 1
  })
  return tried.last
}

function play() {
  const played = video
  const playing = Symbol()
  redraw(null)
  run(async () => {
    try {
      while (played.playing === playing) {
        const due = performance.now() + 1000 / played.fps
        if (!await forward()) break
        await new Promise((done) => setTimeout(done, due - performance.now()))
      }
    } finally {
      if (played.playing === playing) played.playing = null
      refresh()
    }
  }, null)
  video.playing = playing
  refresh()
}

function pause() {
  video.playing = null
}

// Goes to the next frame, and tracks if that frame is not tracked yet. Returns
// false at the end.
async function forward() {
  const {remote, camera, results} = video
  const tracks = video.targets.length > 0 && frame.position >= video.tracked_to
  const next = (tracks ? video.tracked_to : frame.position) + 1
  if (camera && next >= video.length) {
    Object.assign(video, await remote.addFrame(await camera.take()))
  }
  if (!tracks) return show(next)
  const {position, results: found, ...state} = await remote.step()
  Object.assign(video, state)
  video.ended = position === null
  if (video.ended) return false
  results.set(position, {...results.get(position), ...found})
  return show(position)
}

// Shows a frame; returns false if there is none.
async function show(position) {
  if (position < 0) return false
  const found = await video.remote.frame(position)
  video.ended = found === null
  if (video.ended) {
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
       Object.entries(video.results.get(frame.position) ?? {})) {
    const target = Number(key)
    const label = `${target}  ${lost ? 'lost' : score.toFixed(2)}`
    boxes.set(target, {box: [x, y, w, h], label, color: color(target)})
  }
  let heat = null
  const target = stage.selected ?? video.targets[0]
  if (find('map').checked && boxes.has(target)) {
    heat = await video.remote.scores(target, frame.position)
  }
  stage.show(frame, boxes, heat)
  refresh()
}

// Shows what has changed in the frame; while playing, the next frame does.
function update() {
  if (video.playing) refresh()
  else run(showResults)
}

// Targets.

function place(box, target) {
  const {position} = frame
  redraw(null)
  run(async () => {
    const known = new Set(video.targets)
    take(await video.remote.place(position, box, target))
    stage.selected = target ?? video.targets.find((each) => !known.has(each))
    await showResults()
  }, 'Starting the target …')
}

function remove(target) {
  redraw(null)
  run(async () => {
    take(await video.remote.remove(target))
    if (stage.selected === target) stage.selected = null
    await showResults()
  })
}

function take({results, ...state}) {
  Object.assign(video, state)
  video.results = new Map(
    Object.entries(results).map(([key, found]) => [Number(key), found]))
}

function select(target) {
  if (stage.selected === target) return
  redraw(null)
  stage.selected = target
  update()
}

// Lets the user draw the box of a target; no longer if it is null or the same.
function redraw(target) {
  if (target !== null) {
    pause()
    select(target)
  }
  redrawn = redrawn === target ? null : target
  stage.redrawing = redrawn !== null
  refresh()
}

// What is shown around the frame.

function refresh() {
  if (!frame) return
  const {position} = frame
  const {results, targets, playing} = video
  const last = (video.length ?? position + 2) - 1
  const slider = find('slider')
  slider.max = Math.max(last, position)
  slider.value = position
  slider.disabled = playing && video.live
  // Counted from 0, as in the table of boxes.
  const end = video.length ? ` / ${video.length - 1}` : ''
  find('position').value = `Frame ${position}${end}`
  const tracks = targets.length > 0 && position >= video.tracked_to
  find('play').textContent = playing ? 'Pause' : tracks ? 'Track' : 'Play'
  find('play').classList.toggle('primary', tracks || Boolean(playing))
  find('play').disabled = !playing && video.ended && !video.live
  find('csv').disabled = find('mp4').disabled = !targets.length
  find('hint').textContent = hint(video, frame, redrawn)
  list.update(targets, results.get(position) ?? {}, stage.selected)
  paintScores(find('scores'), video, slider.max, color, about.lost_score)
}

// Controls.

const toggle = () => video.playing ? pause() : play()
const back = () => run(() => show(frame.position - 1))
const forth = () => run(forward)

find('file').onchange = ({target}) => {
  if (target.files.length) openFile(target.files[0])
  target.value = ''
}
find('camera').onclick = () => open({})
find('by-address').onsubmit = (event) => {
  event.preventDefault()
  open({address: find('address').value.trim()})
}
find('other').onclick = close
find('play').onclick = toggle
find('back').onclick = back
find('forth').onclick = forth
find('map').onchange = update

// While the slider moves, only its newest position is shown.
let wanted = null
find('slider').oninput = ({target}) => {
  wanted = Number(target.value)
  run(async () => {
    const position = wanted
    wanted = null
    if (position !== null) await show(position)
  })
}

find('csv').onclick = () => attempt(() => video.remote.save('boxes.csv'))
find('mp4').onclick = () =>
  run(() => video.remote.save('tracked.mp4'), 'Writing the video …')

const keys = {
  ' ': toggle,
  ArrowLeft: back,
  ArrowRight: forth,
  Delete: () => stage.selected !== null && remove(stage.selected),
  Escape() {
    stage.cancel()
    redraw(null)
  },
}
addEventListener('keydown', (event) => {
  const {key, target} = event
  if (!frame || !(key in keys)) return
  if (event.ctrlKey || event.altKey || event.metaKey) return
  // Space presses the button that was clicked last.
  if (key === ' ' && target.matches('button, input[type=checkbox]')) return
  event.preventDefault()
  // A key that is held waits for the action before.
  if (!event.repeat || (key !== ' ' && !video.waiting)) keys[key]()
})

const drop = find('drop')
for (const kind of ['dragover', 'dragleave', 'drop']) {
  addEventListener(kind, (event) => {
    event.preventDefault()
    drop.classList.toggle('over', kind === 'dragover')
    const [file] = event.dataTransfer?.files ?? []
    if (kind === 'drop' && file) openFile(file)
  })
}
addEventListener('pagehide', close)

find('tracker').textContent = about.tracker
find('scores').title = whenLost(about)
find('by-address').hidden = !about.addresses
find('limits').textContent = `At most ${about.limits.megabytes} MB and ` +
  `${about.limits.seconds} seconds. Nothing leaves the machine that runs acm-jax.`
