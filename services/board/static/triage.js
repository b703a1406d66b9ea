// The triage desk: what waits for people, by its clock; the chosen one beside it, and what may be done with it.
import {
  $, begin, call, categoryName, flags, h, hubName, icon, nextDue, placeName, priority, running, shared, signIn, soft, stateChip, t,
} from './page.js'
import { actionButtons, closeForm, openForm } from './forms.js'
import { firstPhotos, reports, suggestions } from './shown.js'
import { watch } from './live.js'
import { drawMap } from './map.js'

// One key for each of the decisions that are made here all day.
const KEYS = { f: 'file_case', i: 'request_info', d: 'decline', r: 'redirect', a: 'attach', n: 'keep_apart' }
const view = { items: [], chosen: null, seen: null, next: null, cursors: [null], wish: null }
let told = () => {}

const waiting = (it) => it.dues.find((due) => ['triage', 'info'].includes(due.stage) && !due.met_at && !due.closed_at)

function row(it) {
  const due = waiting(it)
  return h('li', null, h('a', {
    href: `/cases/${it.case_id}`, 'aria-current': it.case_id === view.chosen && 'true',
    onclick: (event) => { if (!event.ctrlKey && !event.metaKey) { event.preventDefault(); choose(it.case_id).then(() => innerWidth < 900 && $('work').scrollIntoView()) } },
  },
  h('span', { className: 'when' }, due ? running(it, due) : nextDue(it), priority(it.priority)),
  h('span', { className: 'what' }, h('strong', null, categoryName(it.category)), h('span', null, placeName(it.place_code ?? it.hub_code))),
  h('span', { className: 'how' }, stateChip(it.state), flags(it))))
}

function show() {
  const focused = document.activeElement?.closest('#rows a')?.getAttribute('href')
  $('rows').replaceChildren(...view.items.map(row))
  if (focused) ($('rows').querySelector(`a[href="${focused}"]`) ?? $('rows').querySelector('a'))?.focus({ preventScroll: true })
  $('empty').hidden = view.items.length > 0
  $('work').hidden = !view.items.length
}

async function read() {
  const query = new URLSearchParams({ desk: 'triage', limit: 50 })
  const cursor = view.cursors.at(-1)
  if (cursor) query.set('cursor', cursor)
  const answer = await call('GET', `/v1/hubs/${shared.account.hub_code}/queue?${query}`)
  told(answer.status === 200)
  if (answer.status !== 200) return
  const at = view.items.findIndex((one) => one.case_id === view.chosen)
  view.items = answer.body.items
  view.next = answer.body.next_cursor
  $('total').textContent = t('total.triage', { n: answer.body.total })
  $('before').disabled = view.cursors.length === 1
  $('after').disabled = !view.next
  if (!view.items.some((one) => one.case_id === view.chosen)) {
    // Decided: the next one moves up.
    view.chosen = view.items[Math.min(Math.max(at, 0), view.items.length - 1)]?.case_id ?? null
    view.seen = null
  }
  show()
  await work()
}

function choose(id) {
  view.chosen = id
  view.seen = view.wish = null
  $('result').replaceChildren()
  show()
  return work()
}

async function work() {
  const id = view.chosen
  if (!id) return
  const { status, body } = await call('GET', `/v1/cases/${id}`)
  if (status !== 200 || id !== view.chosen || (view.seen?.case_id === id && view.seen.seq >= body.case.seq)) return
  const it = view.seen = body.case
  const at = body.reports.find((one) => one.location)?.location
  $('head').replaceChildren(
    h('p', { className: 'soft number' }, it.number), h('h2', null, categoryName(it.category)),
    h('p', { className: 'chips' }, stateChip(it.state), priority(it.priority), flags(it)),
    h('p', { className: 'soft' }, placeName(it.place_code ?? it.hub_code), ' · ', h('a', { href: `/cases/${id}` }, t('whole_case'))),
    firstPhotos({ case_id: id }, [], body.events) || '')
  $('told').replaceChildren(reports(it, body.reports))
  $('buttons').replaceChildren(...actionButtons(it, open))
  closeForm((type) => it.allowed.includes(type) && $('form').firstChild.dataset.case === id)
  grant()
  drawMap($('map'), it, at)
  const alike = await suggestions(body, open, (other) => [
    it.allowed.includes('attach') && h('button', { onclick: () => open('attach', other) }, t('same')),
    it.allowed.includes('file_case') && h('button', { onclick: () => open('file_case') }, t('not_the_same'))])
  if (view.seen === it) $('suggested').replaceChildren(...alike)
}

/** A key may come before the case that it is for has been read. */
function grant() {
  if (!view.wish || !view.seen) return
  if (view.seen.allowed.includes(view.wish)) open(view.wish)
  view.wish = null
}

function open(type, given) {
  openForm(type, view.seen, done, given)
  $('form').firstChild.dataset.case = view.chosen
}

async function done(kind, words) {
  await read()
  $('result').replaceChildren(h('p', { className: `result ${kind}` }, icon({ good: 'accepted', wait: 'clock' }[kind] ?? 'late'), words))
  if (kind === 'good') ($('rows').querySelector('[aria-current]') ?? $('main')).focus()
}

addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest('form, input, select, textarea')) return
  const step = { j: 1, k: -1 }[event.key]
  if (step) {
    const at = view.items.findIndex((one) => one.case_id === view.chosen)
    const to = view.items[Math.max(0, Math.min(at + step, view.items.length - 1))]
    if (to) choose(to.case_id)
    $('rows').querySelector('[aria-current]')?.focus()
  } else if (KEYS[event.key]) {
    event.preventDefault()
    view.wish = KEYS[event.key]
    grant()
  }
})

const leaf = (step) => () => { step(); view.chosen = null; read() }

function frame() {
  const slot = (id) => h('div', { id })
  $('main').replaceChildren(
    h('section', { className: 'bar' }, h('h1', null, t('view./triage'), h('span', { id: 'total', className: 'soft', 'aria-live': 'polite' }))),
    h('p', { className: 'soft keys' }, t('keys.triage')),
    h('div', { id: 'result', role: 'status' }),
    h('p', { id: 'empty', className: 'empty', hidden: true }, icon('closed'), t('empty.triage')),
    h('div', { className: 'triage' },
      h('div', null, h('ol', { id: 'rows', className: 'rows short' }),
        h('nav', { className: 'pages', 'aria-label': t('pages') },
          h('button', { id: 'before', onclick: leaf(() => view.cursors.pop()) }, t('page.before')),
          h('button', { id: 'after', onclick: leaf(() => view.cursors.push(view.next)) }, t('page.after')))),
      h('div', { id: 'work', hidden: true },
        h('section', { className: 'card' }, slot('head'), h('div', { id: 'buttons', className: 'buttons' }), slot('form')),
        slot('suggested'), slot('told'), h('section', { className: 'card' }, h('figure', { id: 'map' })))))
}

if (await begin()) {
  document.title = `${t('view./triage')} · ${hubName(shared.account.hub_code)}`
  frame()
  told = watch(shared.account.hub_code, read, read)
  await read()
} else signIn()
