// Requests to the application. A failed request throws an Error whose message
// the user reads, and whose `status` is the code of HTTP.

const SILENT = 'The application does not answer; start it again.'

function failure(status, body) {
  const message = body?.error ?? `The request failed (${status}).`
  return Object.assign(new Error(message), {status})
}

async function request(path, options) {
  let answer
  try {
    answer = await fetch(path, options)
  } catch (error) {
    if (options?.signal?.aborted) throw error
    throw new Error(SILENT)
  }
  if (answer.ok) return answer
  throw failure(answer.status, await answer.json().catch(() => null))
}

export const about = async () => (await request('about')).json()

// Opens {name}, with the file as body, {address}, or the camera ({}). Returns
// what the application tells of the video, and `remote`, which asks it. Calls
// `sent` with the part of the body that was sent. `closing` is an
// AbortController that ends all requests.
export function open(query, body, closing, sent) {
  return new Promise((done, fail) => {
    // Fetch tells nothing of uploads.
    const asked = new XMLHttpRequest()
    asked.open('POST', `sessions?${new URLSearchParams(query)}`)
    asked.responseType = 'json'
    asked.upload.onprogress = ({loaded, total}) => sent(loaded / total)
    asked.onerror = () => fail(new Error(SILENT))
    asked.onabort = () => fail(closing.signal.reason)
    asked.onload = () => {
      const {status, response} = asked
      if (status !== 201) return fail(failure(status, response))
      const {key, ...told} = response
      done({...told, remote: new Remote(`sessions/${key}`, closing)})
    }
    closing.signal.addEventListener('abort', () => asked.abort())
    asked.send(body)
  })
}

// An open video. After `close`, nothing is answered any more: requests throw.
class Remote {
  constructor(root, closing) {
    Object.assign(this, {root, closing})
  }

  close() {
    this.closing.abort()
    navigator.sendBeacon(`${this.root}/close`)
  }

  request(path, options) {
    const {signal} = this.closing
    return request(`${this.root}/${path}`, {...options, signal})
  }

  async json(path, method, body) {
    return (await this.request(path, {method, body})).json()
  }

  // Returns a frame as {position, image, width, height}, or null if there is
  // none.
  async frame(position) {
    let answer
    try {
      answer = await this.request(`frames/${position}`)
    } catch (error) {
      if (error.status === 404 && /no frame/.test(error.message)) return null
      throw error
    }
    const [width, height] = answer.headers.get('X-Size').split(',').map(Number)
    const image = await createImageBitmap(await answer.blob())
    this.closing.signal.throwIfAborted()
    return {position, image, width, height}
  }

  addFrame(jpeg) { return this.json('frames', 'POST', jpeg) }
  step() { return this.json('step', 'POST') }
  place(position, box, target) {
    return this.json(
      'targets', 'POST', JSON.stringify({position, box, target}))
  }
  remove(target) { return this.json(`targets/${target}`, 'DELETE') }
  scores(target, position) {
    return this.json(`targets/${target}/scores/${position}`, 'GET')
  }

  // Downloads a file.
  async save(name) {
    const file = await (await this.request(name)).blob()
    const link = Object.assign(document.createElement('a'),
      {href: URL.createObjectURL(file), download: name})
    link.click()
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000)
  }
}
