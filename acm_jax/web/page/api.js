// Requests to the application. A failed request throws an Error whose message
// the user reads, and whose `status` is the code of HTTP.

let root = ''

async function request(path, options) {
  let answer
  try {
    answer = await fetch(path, options)
  } catch {
    throw new Error('The application does not answer; start it again.')
  }
  if (answer.ok) return answer
  const body = await answer.json().catch(() => ({}))
  const error = new Error(body.error ?? `The request failed (${answer.status}).`)
  throw Object.assign(error, {status: answer.status})
}

const json = async (path, options) => (await request(path, options)).json()
const post = (path, body) => json(path, {method: 'POST', body})

export const about = () => json('about')

// Opens {name}, with the file as body, {address}, or the camera ({}).
export async function open(query, body) {
  const opened = await post(`sessions?${new URLSearchParams(query)}`, body)
  root = `sessions/${opened.key}`
  return opened
}

export function close() {
  if (root) navigator.sendBeacon(`${root}/close`)
  root = ''
}

// Returns a frame as {position, image, width, height}, or null if there is none.
export async function frame(position) {
  let answer
  try {
    answer = await request(`${root}/frames/${position}`)
  } catch (error) {
    if (error.status === 404 && position > 0) return null
    throw error
  }
  const [width, height] = answer.headers.get('X-Size').split(',').map(Number)
  const image = await createImageBitmap(await answer.blob())
  return {position, image, width, height}
}

export const addFrame = (jpeg) => post(`${root}/frames`, jpeg)
export const step = () => post(`${root}/step`)
export const place = (position, box, target) =>
  post(`${root}/targets`, JSON.stringify({position, box, target}))
export const remove = (target) =>
  json(`${root}/targets/${target}`, {method: 'DELETE'})
export const scores = (target, position) =>
  json(`${root}/targets/${target}/scores/${position}`)
export const download = (name) => `${root}/${name}`
export const file = async (name) => (await request(`${root}/${name}`)).blob()
