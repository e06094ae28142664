// Frames of the camera, of which the newest one is taken, and of a video file,
// of which all are. A frame is {image, width, height, time}; time in s.

import {Camera} from './shared/camera.js'

// A file plays more slowly while this many frames wait, and stops at the limit.
const AHEAD = 1
const LIMIT = 4
const FIRST_RATE = 0.5
const SLOWEST = 0.1
// A frame is missing where the time from frame to frame is this much longer
// than it was before, unless a second look shows the same: the frames of some
// files are not evenly spaced.
const GAP = 1.5

export async function openCamera() {
  const camera = await new Camera().open({facingMode: 'environment'})
  return new CameraSource(camera.video, () => camera.close())
}

export async function openFile(file) {
  const video = document.createElement('video')
  Object.assign(video, {muted: true, playsInline: true, preload: 'auto'})
  const url = URL.createObjectURL(file)
  const release = () => {
    video.removeAttribute('src')
    video.load()
    URL.revokeObjectURL(url)
  }
  const loaded = new Promise((resolve, reject) => {
    video.onloadeddata = resolve
    video.onerror = () => reject(new Error(`${file.name}: this browser ` +
      'cannot play the file; convert it to MP4 (H.264) or WebM'))
  })
  video.src = url
  try {
    await loaded
    if (!video.videoWidth) throw new Error(`${file.name}: has no picture`)
  } catch (error) {
    video.onerror = null
    release()
    throw error
  }
  return new FileSource(video, release)
}

class Source {
  constructor(video, release) {
    Object.assign(this, {video, release})
    this.queue = [] // Promises of frames.
    this.playing = false
    this.ended = false
    this.failure = null
    this.waiters = []
    this.watch()
  }

  // Returns the next frame; null after the last one, and once paused.
  async next() {
    while (!this.queue.length) {
      if (this.failure) throw this.failure
      if (this.ended || !this.playing) return null
      this.demand()
      await this.change()
    }
    return this.queue.shift()
  }

  // Makes the video show the next frame.
  demand() {}

  change() {
    return new Promise((changed) => this.waiters.push(changed))
  }

  wake() {
    for (const changed of this.waiters.splice(0)) changed()
  }

  // Tells `shown` of each frame that the video shows.
  watch() {
    this.callback = this.video.requestVideoFrameCallback((now, metadata) => {
      this.watch()
      this.shown(metadata)
      this.wake()
    })
  }

  async grab(time) {
    const image = await createImageBitmap(this.video)
    return {image, width: image.width, height: image.height, time}
  }

  clear() {
    for (const frame of this.queue.splice(0)) {
      frame.then(({image}) => image.close())
    }
  }

  fail(message) {
    this.failure = new Error(message)
    this.wake()
  }

  close() {
    this.pause()
    this.video.cancelVideoFrameCallback(this.callback)
    this.video.onerror = null
    this.release()
  }
}

class CameraSource extends Source {
  live = true

  constructor(video, release) {
    super(video, release)
    for (const track of video.srcObject.getTracks()) {
      track.onended = () => this.fail('The camera was disconnected.')
    }
  }

  play() {
    this.playing = true
  }

  pause() {
    this.playing = false
    this.clear()
    this.wake()
  }

  shown({mediaTime}) {
    this.clear()
    if (this.playing) this.queue.push(this.grab(mediaTime))
  }
}

// A browser leaves out frames that it cannot show in time. The file then goes
// back, and plays more slowly.
class FileSource extends Source {
  live = false
  time = 0 // Of the frame that the video shows, s.
  count = 0 // Of frames that the video has shown.
  interval = Infinity // Shortest time from frame to frame, s.
  looked = {time: null, next: null} // The last return, and the frame after it.
  taking = false // Whether frames are queued.
  turn = null // An object of its own for each call of `seek` and `play`.

  constructor(video, release) {
    super(video, release)
    video.onerror = () => this.fail('The rest of the video is damaged.')
    video.onended = async () => {
      await settled()
      this.ended = video.ended
      this.wake()
    }
  }

  // Length, s.
  get duration() {
    return this.video.duration
  }

  // Returns the frame at a time, or null if another call came in between.
  async seek(time) {
    this.pause()
    this.ended = false
    const {turn} = this
    await this.move(time)
    if (this.failure) throw this.failure
    return turn === this.turn ? this.grab(this.time) : null
  }

  // Plays on from the frame at a time.
  play(time) {
    this.pause()
    this.ended = false
    this.playing = true
    this.video.playbackRate = FIRST_RATE
    this.resume(time)
  }

  pause() {
    this.turn = {}
    this.playing = this.taking = false
    this.video.pause()
    this.clear()
    this.wake()
  }

  async resume(time) {
    const {turn} = this
    this.taking = false
    await this.move(time)
    if (turn !== this.turn) return
    this.taking = true
    this.demand()
  }

  async move(time) {
    this.video.pause()
    await settled()
    // A video that is there already does not show the frame again.
    if (time === this.video.currentTime && this.count) return
    const before = this.count
    this.video.currentTime = time
    while (this.count === before && !this.failure) await this.change()
  }

  demand() {
    const {video} = this
    if (!this.taking || !video.paused || video.ended) return
    // A pause that follows at once rejects the promise.
    video.play().catch(() => {})
  }

  shown({mediaTime, presentedFrames}) {
    const {video, queue, time: last, count} = this
    Object.assign(this, {time: mediaTime, count: presentedFrames})
    if (!this.taking) return
    const passed = mediaTime - last
    const missed =
      presentedFrames > count + 1 || passed > GAP * this.interval
    if (missed && this.looksAgain(last, mediaTime)) {
      this.slow(0.5)
      this.resume(last)
      return
    }
    if (passed > 0) this.interval = Math.min(this.interval, passed)
    queue.push(this.grab(mediaTime))
    this.slow(queue.length > AHEAD ? 0.8 : 1.1)
    if (queue.length >= LIMIT) video.pause()
  }

  looksAgain(time, next) {
    const known = this.looked.time === time ? this.looked.next : Infinity
    this.looked = {time, next: Math.min(next, known)}
    return next !== known
  }

  slow(factor) {
    const rate = this.video.playbackRate * factor
    this.video.playbackRate = Math.min(Math.max(rate, SLOWEST), 1)
  }
}

// Waits until the callbacks of all frames that a video has shown have run.
async function settled() {
  for (let i = 0; i < 2; i++) await new Promise(requestAnimationFrame)
}
