// Answers all requests of the page from files that it stored when it was
// installed: the page works offline, and sends nothing.

// Defines BUILD: a version, the names of all files, and the content security
// policy.
importScripts('files.js')

const HEADERS = {
  'Content-Security-Policy': BUILD.policy,
  // Isolated pages may use threads.
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
}
const PREFIX = `acm-jax ${registration.scope} `
const NAME = PREFIX + BUILD.version

addEventListener('install', (event) => event.waitUntil(store()))
addEventListener('activate', (event) => event.waitUntil(clean()))
addEventListener('fetch', (event) => event.respondWith(answer(event.request)))

async function store() {
  const cache = await caches.open(NAME)
  // Not from the cache of HTTP, which may have files of another version.
  await cache.addAll(
    BUILD.files.map((file) => new Request(file, {cache: 'reload'})))
}

async function clean() {
  for (const name of await caches.keys()) {
    if (name.startsWith(PREFIX) && name !== NAME) await caches.delete(name)
  }
}

async function answer(request) {
  const cache = await caches.open(NAME)
  const stored = await cache.match(request, {ignoreSearch: true})
  if (!stored) return new Response('', {status: 404})
  const headers = new Headers(stored.headers)
  for (const [name, value] of Object.entries(HEADERS)) headers.set(name, value)
  return new Response(stored.body, {headers})
}
