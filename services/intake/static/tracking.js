// The tracking page keeps itself fresh: the server writes it, this only fetches it again and swaps what changed.

const QUICK_MS = 2000 // until the report stands in the book
const CALM_MS = 15000
const TIMEOUT_MS = 10000

const isNew = () => document.getElementById('tracking').dataset.status === 'received'

async function freshen() {
  if (document.hidden) return
  try {
    const answer = await fetch(location.href, { signal: AbortSignal.timeout(TIMEOUT_MS) })
    if (!answer.ok) throw new Error(answer.status)
    const read = new DOMParser().parseFromString(await answer.text(), 'text/html').getElementById('tracking')
    const shown = document.getElementById('tracking')
    document.getElementById('stale').hidden = true
    if (read.innerHTML !== shown.innerHTML) shown.replaceWith(read)
  } catch {
    document.getElementById('stale').hidden = false
  }
}

async function keepFresh() {
  await freshen()
  setTimeout(keepFresh, isNew() ? QUICK_MS : CALM_MS)
}

document.addEventListener('visibilitychange', freshen)
setTimeout(keepFresh, isNew() ? QUICK_MS : CALM_MS)
