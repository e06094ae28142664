// What the page needs of a browser.

// A function that returns i8x16.splat(0).
const SIMD = Uint8Array.of(
  0, 97, 115, 109, 1, 0, 0, 0, // WebAssembly, version 1.
  1, 5, 1, 96, 0, 1, 123, // Type: () -> v128.
  3, 2, 1, 0, // Function of this type.
  10, 8, 1, 6, 0, 65, 0, 253, 15, 11)

// Throws an Error if the browser cannot run the page.
export function check() {
  if (!isSecureContext) {
    throw new Error('Browsers only run this page over HTTPS, or at localhost.')
  }
  if (!globalThis.WebAssembly?.validate(SIMD)) {
    throw new Error('This browser has no WebAssembly SIMD, which the tracker ' +
      'needs. Use a newer browser.')
  }
  if (!globalThis.OffscreenCanvas ||
      !HTMLVideoElement.prototype.requestVideoFrameCallback) {
    throw new Error('This browser cannot hand over single frames of a video. ' +
      'Use a newer browser.')
  }
}
