// Writes the page to a folder that any static host serves.
//
//   npm run build -- TRACKER [OUT]
//
// TRACKER is a folder that `acm-jax export --format onnx` wrote; OUT is `dist`
// by default, and is replaced.

import {createHash} from 'node:crypto'
import {
  cp, mkdir, readdir, readFile, rename, rm, writeFile} from 'node:fs/promises'
import path from 'node:path'
import * as contracts from './src/contract.js'

const ROOT = import.meta.dirname
const DEMO = path.join(ROOT, '../acm_jax/web/page')
const SHARED = ['camera.js', 'icon.svg', 'page.css', 'stage.js', 'targets.js']
const RUNTIME = path.join(ROOT, 'node_modules/onnxruntime-web/dist')
const RUNTIME_FILES = [
  'ort.wasm.min.mjs',
  'ort-wasm-simd-threaded.mjs',
  'ort-wasm-simd-threaded.wasm',
]
// The browser keeps this file itself.
const WORKER = 'service_worker.js'
// Nothing from elsewhere; videos that the user chose have `blob:` addresses.
const POLICY = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self'",
  "connect-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  'media-src blob:',
  "base-uri 'none'",
  "form-action 'none'",
].join('; ')

async function build(tracker, out) {
  const partial = `${out}.partial`
  await rm(partial, {recursive: true, force: true})
  await cp(path.join(ROOT, 'src'), partial, {recursive: true})
  const index = path.join(partial, 'index.html')
  const page = await readFile(index, 'utf8')
  await writeFile(index, page.replace('{{policy}}', POLICY))
  await copy(DEMO, SHARED, path.join(partial, 'shared'))
  await copy(RUNTIME, RUNTIME_FILES, path.join(partial, 'ort'))
  const files = await trackerFiles(tracker)
  await copy(tracker, files, path.join(partial, 'tracker'))
  await cp(path.join(ROOT, '../LICENSE'), path.join(partial, 'LICENSE'))
  await writeFile(path.join(partial, 'files.js'), await describe(partial))
  await rm(out, {recursive: true, force: true})
  await rename(partial, out)
}

async function copy(from, files, to) {
  await mkdir(to)
  for (const file of files) {
    await cp(path.join(from, file), path.join(to, file))
  }
}

// Checks an exported tracker, and returns the names of its files.
async function trackerFiles(folder) {
  const text = await readFile(path.join(folder, contracts.FILE), 'utf8')
  const graphs = Object.values(contracts.read(text).graphs)
  for (const graph of graphs) {
    const bytes = await readFile(path.join(folder, graph.file))
    await contracts.checkGraph(graph, bytes)
  }
  return [contracts.FILE, ...graphs.map(({file}) => file)]
}

// Returns the script that tells the service worker what it serves.
async function describe(folder) {
  const entries = await readdir(folder, {recursive: true, withFileTypes: true})
  const files = entries.filter((entry) => entry.isFile()).map((entry) =>
    path.relative(folder, path.join(entry.parentPath, entry.name))
      .split(path.sep).join('/')).filter((file) => file !== WORKER).sort()
  const hash = createHash('sha256').update(POLICY)
  for (const file of files) {
    hash.update(`${file}\n`).update(await readFile(path.join(folder, file)))
  }
  const about = {
    version: hash.digest('hex').slice(0, 16),
    files: ['./', ...files],
    policy: POLICY,
  }
  return `const BUILD = ${JSON.stringify(about, null, 2)}\n`
}

const [tracker, out = path.join(ROOT, 'dist'), ...rest] = process.argv.slice(2)
try {
  if (!tracker || rest.length) {
    throw new Error('usage: npm run build -- TRACKER [OUT]; TRACKER is a ' +
      'folder that `acm-jax export --format onnx` wrote')
  }
  await build(tracker, path.resolve(out))
  console.log(`page written to ${out}`)
} catch (error) {
  console.error(`error: ${error.message}`)
  process.exitCode = 2
}
