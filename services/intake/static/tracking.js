// The tracking page keeps itself fresh and sends its forms in place: the server writes it, this swaps what changed.

const QUICK_MS = 2000 // until the report stands in the book, and while something may be about to happen
const CALM_MS = 15000
const LIVELY_MS = 60000 // so long after a change or a word of the reporter's
const TIMEOUT_MS = 12000

const shown = () => document.getElementById('tracking')
let livelyUntil = Date.now() + LIVELY_MS
let sending = false

/** Nobody's half-written words are taken away. */
const isWriting = () => sending || [...shown().querySelectorAll('textarea, [type=file], [type=radio]')]
  .some((field) => field.type === 'radio' ? field.checked : field.value !== field.defaultValue)

function swap(page) {
  const open = [...shown().querySelectorAll('details[open]')].map((one) => one.id)
  const focused = document.activeElement?.closest('details')?.id
  shown().replaceWith(page.getElementById('tracking'))
  for (const id of open) document.getElementById(id)?.setAttribute('open', '')
  if (focused) document.querySelector(`#${focused} summary`)?.focus()
  document.title = page.title
  prepare()
}

/** What only works with a script is shown by it. */
function prepare() {
  for (const one of shown().querySelectorAll('.scripted')) one.hidden = false
}

const parsed = async (answer) => new DOMParser().parseFromString(await answer.text(), 'text/html')

async function freshen() {
  if (document.hidden || isWriting()) return
  try {
    const headers = { 'If-None-Match': `"${shown().dataset.version}"` }
    const answer = await fetch(location.pathname, { headers, signal: AbortSignal.timeout(TIMEOUT_MS) })
    if (answer.status !== 304) {
      if (!answer.ok) throw new Error(answer.status)
      const page = await parsed(answer)
      if (isWriting()) return
      livelyUntil = Date.now() + LIVELY_MS
      swap(page)
    }
    document.getElementById('stale').hidden = true
  } catch {
    document.getElementById('stale').hidden = false
  }
}

async function keepFresh() {
  await freshen()
  const quick = shown().dataset.status === 'received' || Date.now() < livelyUntil
  setTimeout(keepFresh, quick ? QUICK_MS : CALM_MS)
}

function tell(text, isTrouble) {
  const said = document.getElementById('said')
  said.textContent = text
  said.classList.toggle('warn', isTrouble)
  said.hidden = !text
  said.focus()
}

async function send(form) {
  const fields = new URLSearchParams([...new FormData(form)].filter(([, value]) => typeof value === 'string'))
  const photo = form.querySelector('[type=file]')?.files[0]
  if (photo) {
    const { Photo } = await import('./photo.js')
    fields.append('photos', await new Photo(photo).uploaded)
  }
  const signal = AbortSignal.timeout(TIMEOUT_MS)
  const answer = await fetch(form.action, { method: 'POST', body: fields, signal })
  const page = await parsed(answer)
  const note = page.getElementById('said')
  if (!note || note.hidden) throw new Error(answer.status)
  livelyUntil = Date.now() + LIVELY_MS
  if (page.getElementById('tracking')) swap(page)
  tell(note.textContent, !answer.ok)
}

document.addEventListener('submit', async (event) => {
  if (!event.target.matches('.voice')) return
  event.preventDefault()
  if (sending) return
  sending = true
  const button = event.target.querySelector('button')
  button.setAttribute('aria-disabled', 'true')
  try {
    await send(event.target)
  } catch {
    tell(document.getElementById('unsent').content.textContent, true)
  } finally {
    sending = false
    button.removeAttribute('aria-disabled')
  }
})

// What was said is told once: a page that is loaded again does not say it again.
if (location.search.includes('said=')) history.replaceState(null, '', location.pathname)
prepare()
document.addEventListener('visibilitychange', freshen)
setTimeout(keepFresh, QUICK_MS)
