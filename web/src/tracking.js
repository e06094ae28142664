// The tracker, which runs in a worker. It keeps no state of targets: `start`
// and `find` take and return it.

export class Tracking {
  constructor() {
    this.waiting = new Map()
    this.worker = new Worker('worker.js', {type: 'module'})
    this.worker.onmessage = ({data: {number, value, error}}) => {
      const {resolve, reject} = this.waiting.get(number)
      this.waiting.delete(number)
      if (error === undefined) resolve(value)
      else reject(new Error(error))
    }
    this.worker.onerror = ({message}) => {
      const error = new Error(`The tracker stopped: ${message ?? 'a file of ' +
        'the page cannot be loaded'}. Reload the page.`)
      for (const {reject} of this.waiting.values()) reject(error)
      this.waiting.clear()
    }
    this.count = 0
  }

  // Returns the tracker's name and the least side of tracked boxes, px.
  load() {
    return this.ask('load')
  }

  // Returns {template, state} of the target in a box of an image.
  start(image, box) {
    return this.ask('start', image, box)
  }

  // Returns {state, result} of each of the targets, {template, state}.
  find(image, targets) {
    return this.ask('find', image, targets)
  }

  ask(action, ...values) {
    const number = this.count++
    return new Promise((resolve, reject) => {
      this.waiting.set(number, {resolve, reject})
      this.worker.postMessage({number, action, values})
    })
  }
}
