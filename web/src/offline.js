// Keeps the page in the browser, so that it works without a network.

// Installs the service worker. Returns false if the page is loading again, now
// from the service worker, with the headers that threads need. A browser that
// refuses service workers still runs the page, with one thread.
export async function install() {
  const {serviceWorker} = navigator
  if (!serviceWorker) return true
  try {
    const registration = await serviceWorker.register('service_worker.js')
    if (serviceWorker.controller) return true
    await activated(registration)
  } catch (error) {
    console.warn('The page does not work offline:', error)
    return true
  }
  // A browser that never lets it control the page would reload forever.
  if (sessionStorage.installed) return true
  sessionStorage.installed = true
  location.reload()
  return false
}

async function activated({installing, waiting, active}) {
  const worker = installing ?? waiting ?? active
  while (worker.state !== 'activated') {
    if (worker.state === 'redundant') throw new Error('a file is missing')
    await new Promise((changed) => {
      worker.addEventListener('statechange', changed, {once: true})
    })
  }
}
