// Frames of a video file, which are all taken, or of the camera, of which the
// newest one is taken. A frame is {image, width, height, time}; time in s.

import {Camera} from './shared/camera.js'

// A file plays more slowly while this many frames wait, and stops at the limit,
// because a browser leaves out frames that it cannot show in time.
const AHEAD = 1
const LIMIT = 4
const SLOWEST = 0.1

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
    video.onerror = () => reject(new Error(`${file.name}: this browser cannot ` +
      'play the file; convert it to MP4 (H.264) or WebM'))
  })
  video.src = url
  try {
    await loaded
    if (!video.videoWidth) throw new Error(`${file.name}: has no picture`)
  } catch (error) {
    release()
    throw error
  }
  return new Source(video, false, release)
}

export async function openCamera() {
  const camera = await new Camera().open({facingMode: 'environment'})
  return new Source(camera.video, true, () => camera.close())
}

class Source {
  constructor(video, live, release) {
    Object.assign(this, {video, live, release})
    this.queue = [] // Promises of frames.
    this.wanted = false // Whether frames are queued.
    this.playing = false
    this.ended = false
    this.failure = null
    this.shown = null // Time of the frame that is on the video element.
    this.wake = () => {}
    video.onended = async () => {
      // The last frame may still be on its way to the screen.
      for (let i = 0; i < 2; i++) await new Promise(requestAnimationFrame)
      this.ended = true
      this.wake()
    }
    video.onerror = () => this.fail('The rest of the video is damaged.')
    for (const track of video.srcObject?.getTracks() ?? []) {
      track.onended = () => this.fail('The camera was disconnected.')
    }
    this.watch()
  }

  // Length of a file, s.
  get duration() {
    return this.video.duration
  }

  // Returns the frame of a file at a time.
  async seek(time) {
    this.pause()
    this.wanted = true
    this.ended = false
    // A seek to the same time shows nothing new.
    if (time === this.video.currentTime && this.shown !== null) {
      this.queue.push(this.grab())
    }
    this.video.currentTime = time
    const frame = await this.next()
    this.wanted = false
    return frame
  }

  // Plays on; a file, from the frame at a time.
  play(time) {
    this.pause()
    this.wanted = this.playing = true
    this.ended = false
    if (!this.live) this.video.currentTime = time
  }

  pause() {
    this.wanted = this.playing = false
    if (!this.live) this.video.pause()
    this.clear()
    this.wake()
  }

  // Returns the next frame; null after the last one, and once paused.
  async next() {
    while (!this.queue.length) {
      if (this.failure) throw this.failure
      if (this.ended || !this.wanted) return null
      if (this.playing && this.video.paused && !this.video.ended) {
        // Rejected by a pause that follows at once.
        this.video.play().catch(() => {})
      }
      await new Promise((wake) => { this.wake = wake })
    }
    return this.queue.shift()
  }

  close() {
    this.pause()
    this.video.cancelVideoFrameCallback(this.callback)
    this.video.onerror = null
    this.release()
  }

  watch() {
    this.callback = this.video.requestVideoFrameCallback(
      (now, {mediaTime}) => {
        this.watch()
        this.shown = mediaTime
        if (!this.wanted) return
        if (this.live) this.clear()
        this.queue.push(this.grab())
        if (!this.live) this.adapt()
        this.wake()
      })
  }

  adapt() {
    const {video, queue} = this
    const rate = video.playbackRate * (queue.length > AHEAD ? 0.8 : 1.1)
    video.playbackRate = Math.min(Math.max(rate, SLOWEST), 1)
    if (queue.length >= LIMIT) video.pause()
  }

  async grab() {
    const time = this.shown
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
}
