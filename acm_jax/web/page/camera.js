// Frames of the browser's camera, as JPEG files.

const WIDTH = 960
const QUALITY = 0.9

export class Camera {
  // `wanted` has more constraints of the video track.
  async open(wanted = {}) {
    try {
      this.stream = await navigator.mediaDevices.getUserMedia(
        {video: {width: {ideal: WIDTH}, ...wanted}})
    } catch (error) {
      const reasons = {
        NotFoundError: 'there is none',
        NotAllowedError: 'the browser was not allowed to use it',
        NotReadableError: 'another program uses it',
      }
      throw new Error(
        `The camera cannot be used: ${reasons[error.name] ?? error.message}.`)
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
    await new Promise((done) => this.video.requestVideoFrameCallback(done))
    this.canvas.getContext('2d').drawImage(this.video, 0, 0)
    return this.canvas.convertToBlob({type: 'image/jpeg', quality: QUALITY})
  }

  close() {
    for (const track of this.stream.getTracks()) track.stop()
  }
}
