// Frames of the browser's camera, as JPEG files.

const WIDTH = 960
const QUALITY = 0.9
const PATIENCE = 5000 // Longest wait for a frame, ms.

const unusable = (reason) =>
  new Error(`The camera cannot be used: ${reason}.`)

export class Camera {
  // `wanted` has more constraints of the video track.
  async open(wanted = {}) {
    if (!navigator.mediaDevices) {
      throw unusable('browsers allow it only at 127.0.0.1 or over HTTPS')
    }
    try {
      this.stream = await navigator.mediaDevices.getUserMedia(
        {video: {width: {ideal: WIDTH}, ...wanted}})
    } catch (error) {
      const reasons = {
        NotFoundError: 'there is none',
        NotAllowedError: 'the browser was not allowed to use it',
        NotReadableError: 'another program uses it',
      }
      throw unusable(reasons[error.name] ?? error.message)
    }
    this.video = document.createElement('video')
    this.video.srcObject = this.stream
    this.video.muted = true
    await this.video.play()
    this.canvas = new OffscreenCanvas(
      this.video.videoWidth, this.video.videoHeight)
    return this
  }

  // Waits for a frame that was not taken before.
  async take() {
    const [track] = this.stream.getTracks()
    const ended = new AbortController()
    let timer
    try {
      await new Promise((done, fail) => {
        const lose = () => fail(new Error(
          'The camera sends no more frames; connect it and open it again.'))
        if (track.readyState === 'ended') lose()
        track.addEventListener('ended', lose, ended)
        // A hidden page gets no frames.
        timer = setInterval(() => document.hidden || lose(), PATIENCE)
        this.video.requestVideoFrameCallback(done)
      })
    } finally {
      clearInterval(timer)
      ended.abort()
    }
    this.canvas.getContext('2d').drawImage(this.video, 0, 0)
    return this.canvas.convertToBlob({type: 'image/jpeg', quality: QUALITY})
  }

  close() {
    for (const track of this.stream.getTracks()) track.stop()
  }
}
