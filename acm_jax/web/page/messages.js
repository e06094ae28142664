// Errors, and what the page is busy with.

const find = (id) => document.getElementById(id)
const SOON = 300 // Work that takes less is not told of, ms.

export function fail(error) {
  find('error').hidden = false
  find('error').firstElementChild.textContent = error.message
}

export function clearError() {
  find('error').hidden = true
}

// Tells of work; `cancel` is what a button ends it by, if it can be ended.
export function tell(text, cancel = null) {
  find('busy').hidden = !text
  find('busy').firstElementChild.textContent = text ?? ''
  find('cancel').hidden = !cancel
  find('cancel').onclick = cancel
}

// Does work, and tells of it if it takes long.
export async function busy(text, work) {
  const timer = setTimeout(() => tell(text), SOON)
  try {
    return await work()
  } finally {
    clearTimeout(timer)
    tell(null)
  }
}

find('error').lastElementChild.onclick = clearError
