// Keeps the frames that the page takes out of a video, by their time in s. Each
// canvas is read back before the tracker sees the frame.

const recorded = new Map()
const {prototype} = HTMLVideoElement
const {requestVideoFrameCallback: request} = prototype
const bitmap = createImageBitmap
let time = null

prototype.requestVideoFrameCallback = function (callback) {
  return request.call(this, (now, metadata) => {
    time = metadata.mediaTime
    callback(now, metadata)
  })
}

window.createImageBitmap = async (video) => {
  const taken = time
  const image = await bitmap(video)
  const canvas = new OffscreenCanvas(image.width, image.height)
  canvas.getContext('2d').drawImage(image, 0, 0)
  recorded.set(taken.toFixed(6), canvas)
  return image
}

// Returns the address, `data:`, of a frame as a PNG file, which has no loss.
window.recordedFrame = async (taken) => {
  const reader = new FileReader()
  reader.readAsDataURL(await recorded.get(taken).convertToBlob())
  await new Promise((loaded) => { reader.onload = loaded })
  return reader.result
}
