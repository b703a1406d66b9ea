// Three taps: a scene, the shutter, send. What is slow (position, upload) runs meanwhile, in the background.
import { Photo } from './photo.js'
import { send } from './send.js'
import { forget, keep, kept, remember, showMine } from './mine.js'
import { Whereabouts } from './whereabouts.js'

const $ = (id) => document.getElementById(id)
const texts = JSON.parse($('texts').textContent)
const t = (key, values = {}) => texts[key].replace(/\{(\w+)\}/g, (_, name) => values[name] ?? '')
const VIEWS = ['home', 'review', 'receipt']

const report = { key: null, capturedAt: null, photo: null, sending: false }
const whereabouts = new Whereabouts($, t)

function show(view, focus) {
  for (const name of VIEWS) $(name).hidden = name !== view
  scrollTo(0, 0)
  focus?.focus()
}

function uuid() {
  // crypto.randomUUID is there on safe origins only, and a demo in the local network is not one.
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  bytes[6] = (bytes[6] & 15) | 64
  bytes[8] = (bytes[8] & 63) | 128
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

/** A telephone that lost its clock says nothing of when. */
function clock() {
  const now = new Date()
  return now.getFullYear() > 2020 ? now.toISOString() : undefined
}

// The first tap: the scene. Where nobody has to be called first, the camera opens at once.
function begin(tile) {
  Object.assign(report, { key: uuid(), capturedAt: clock(), photo: null })
  let chosen
  for (const kinds of document.querySelectorAll('fieldset[data-of]')) {
    const mine = kinds.dataset.of === tile.dataset.tile
    kinds.hidden = kinds.disabled = !mine
    if (mine) chosen = kinds
  }
  $('report').reset()
  // One group of radio buttons: the first of this scene is its likeliest.
  chosen.querySelector('input').checked = true
  restoreWho()
  $('scene').textContent = chosen.dataset.name
  $('preview').hidden = true
  $('shoot-text').textContent = t('page.camera')
  $('photo-note').textContent = ''
  $('trouble').hidden = true
  $('send').textContent = t('page.send')
  showCalls()
  whereabouts.begin()
  history.pushState({ view: 'review' }, '')
  show('review', $('scene'))
  if ($('calls').hidden) openCamera(true)
}

function showCalls() {
  const chosen = document.querySelector('fieldset[data-of]:not([hidden]) input:checked')
  const numbers = chosen.dataset.calls.split(' ').filter(Boolean)
  const row = $('calls').querySelector('.row')
  for (const call of row.children) call.hidden = !numbers.includes(call.dataset.number)
  // The likeliest number first, as the city's file has it.
  row.append(...numbers.map((number) => row.querySelector(`[data-number="${number}"]`)))
  $('calls').hidden = !numbers.length
}

// The second tap is the shutter.
function openCamera(live) {
  $('camera').toggleAttribute('capture', live)
  if (live) $('camera').setAttribute('capture', 'environment')
  $('camera').value = ''
  $('camera').click()
}

function photographed() {
  const [file] = $('camera').files
  if (!file) return
  report.capturedAt = clock()
  URL.revokeObjectURL($('preview').src)
  $('preview').src = URL.createObjectURL(file)
  $('preview').hidden = false
  $('shoot-text').textContent = t('page.again')
  const photo = report.photo = new Photo(file)
  const note = (key) => { if (report.photo === photo) $('photo-note').textContent = t(key) }
  note('page.waiting_photo')
  photo.uploaded.then(() => note('page.photo.sent'), () => note(report.sending ? 'page.waiting_photo' : 'page.photo.failed'))
  $('send').focus()
}

// The third tap.
async function submitted(event) {
  event.preventDefault()
  if (report.sending) return
  report.sending = true
  $('trouble').hidden = true
  $('send').textContent = t('page.sending')
  $('send').setAttribute('aria-disabled', 'true')
  const form = new FormData($('report'))
  const body = {
    channel: form.get('channel'),
    category: form.get('category'),
    text: form.get('text').trim() || undefined,
    captured_at: report.capturedAt,
    ...forWhom(form),
    ...(await whereabouts.found()),
  }
  const outcome = await send(report.key, body, report.photo)
  report.sending = false
  $('send').removeAttribute('aria-disabled')
  if (outcome.accepted) return received(outcome.accepted, outcome.later)
  $('send').textContent = t('page.try_again')
  $('trouble').textContent = outcome.refused ? t('page.refused', { why: outcome.refused }) : t('page.failed')
  $('trouble').hidden = false
}

/** Who cannot write is called back, not the one who writes. */
function forWhom(form) {
  if (!form.get('on_behalf')) return {}
  return { on_behalf: true, contact: { name: form.get('person').trim() || undefined, phone: form.get('phone').trim() || undefined } }
}

function received(accepted, later) {
  whereabouts.end()
  remember(accepted.tracking_code, $('scene').textContent)
  $('tracking-code').textContent = accepted.tracking_code.replace(/(.{4})(?=.)/g, '$1 ')
  $('follow').href = `/r/${accepted.tracking_code}`
  $('now').textContent = t('page.registering')
  $('upload').textContent = ''
  $('receipt-calls').replaceChildren(...(accepted.hotlines ? [$('calls')] : []))
  history.replaceState({ view: 'receipt' }, '')
  show('receipt', $('received'))
  follow(accepted.status_url)
  if (later) keepUploading(later)
}

/** Say which hub has it, as soon as the book knows; it rarely takes a second. */
async function follow(url) {
  for (let tries = 0; tries < 10; tries++) {
    await new Promise((done) => setTimeout(done, 600))
    const answer = await fetch(url, { headers: { 'Accept-Language': document.documentElement.lang }, signal: AbortSignal.timeout(8000) }).catch(() => null)
    const status = answer?.ok ? await answer.json() : null
    if (status && status.status !== 'received') {
      $('now').textContent = status.status_text
      return
    }
  }
}

async function keepUploading(later) {
  const stay = (event) => event.preventDefault()
  addEventListener('beforeunload', stay)
  $('upload').textContent = t('page.waiting_photo')
  $('upload').textContent = t(await later.then(() => 'page.photo.sent', () => 'page.photo.failed'))
  removeEventListener('beforeunload', stay)
}

function restoreWho() {
  const choice = document.querySelector(`input[name=channel][value="${CSS.escape(kept('who') ?? '')}"]`)
  if (choice) choice.checked = true
  offerBehalf()
}

/** What is hidden is disabled too: it is not sent. */
function offerBehalf() {
  const channel = document.querySelector('input[name=channel]:checked')
  $('behalf').hidden = $('behalf').disabled = !channel?.hasAttribute('data-for-others')
  $('person').hidden = $('person').disabled = !$('on-behalf').checked
}

for (const tile of document.querySelectorAll('[data-tile]')) {
  tile.addEventListener('click', () => begin(tile))
  // Until now a tap would have been lost.
  tile.disabled = false
}
$('shoot').addEventListener('click', () => openCamera(true))
$('album').addEventListener('click', () => openCamera(false))
$('camera').addEventListener('change', photographed)
$('report').addEventListener('submit', submitted)
$('report').addEventListener('change', (event) => {
  if (event.target.name === 'category') showCalls()
  if (event.target.name === 'channel') keep('who', event.target.value)
  offerBehalf()
})
$('back').addEventListener('click', () => history.back())
$('forget').addEventListener('click', forget)
addEventListener('popstate', () => {
  whereabouts.end()
  // The calls may have moved to the receipt of the last report.
  $('moving').before($('calls'))
  show('home')
  showMine()
})
showMine()
