// The queue of the own hub: sorted by due time, filled while you watch. A nudge makes the page read again.
import {
  $, begin, call, categoryName, chip, flags, h, hubName, icon, moment, nextDue, placeName, priority, shared, soft,
  stateChip, t, tick, tierName, unitName, worded,
} from './page.js'
import { watch } from './live.js'

const STATES = [
  'triaging', 'need_info', 'filed', 'dispatched', 'accepted', 'in_progress', 'suspended', 'resolved', 'verifying', 'rework',
  'closed', 'declined', 'redirected', 'attached', 'withdrawn', 'archived',
]
const ENDED = STATES.slice(10)
const CALLBACKS = location.pathname === '/callbacks'
const QUIET_MS = 1000
const view = { state: '', q: '', sort: CALLBACKS ? 'newest' : 'due', cursors: [null], next: null, known: null, fresh: new Set(), rows: new Map(), turn: 0 }
let told = () => {}

function signInForm() {
  const problem = h('p', { className: 'problem', role: 'alert' })
  const field = (name, type, complete) =>
    h('label', null, t(name), h('input', { name, type, autocomplete: complete, required: true, maxLength: 200 }))
  const form = h('form', { className: 'sign-in' },
    h('img', { src: '/static/icon.svg', alt: '', width: 56, height: 56 }),
    h('h1', null, t('brand')), h('p', { className: 'soft' }, t('sign_in.lead')),
    field('username', 'text', 'username'), field('password', 'password', 'current-password'),
    problem, h('button', { className: 'primary' }, t('sign_in')))
  form.onsubmit = async (event) => {
    event.preventDefault()
    form.lastChild.disabled = true
    const answer = await call('POST', '/v1/session', Object.fromEntries(new FormData(form)))
    if (answer.status === 200) {
      const next = new URLSearchParams(location.search).get('next') ?? ''
      location.assign(/^\/(cases\/[0-9a-f-]+|triage|callbacks)$/.test(next) ? next : answer.body.role === 'callback_agent' ? '/callbacks' : '/')
      return
    }
    form.lastChild.disabled = false
    problem.textContent = t(`sign_in.${answer.body?.code ?? 'nobody'}`)
    form.password.select()
  }
  $('main').replaceChildren(form)
  form.username.focus()
}

function row(item) {
  return [
    h('span', { className: 'when' },
      item.closed_at ? chip('', moment(item.closed_at), 'closed') : nextDue(item), priority(item.priority)),
    h('span', { className: 'what' },
      h('strong', null, categoryName(item.category), view.fresh.has(item.case_id) && h('em', { className: 'new' }, t('new'))),
      h('span', null, placeName(item.place_code ?? item.hub_code))),
    h('span', { className: 'how' }, stateChip(item.state), flags(item)),
    h('span', { className: 'owner' }, unitName(item.owner),
      soft(`${tierName(item.level)} · ${hubName(item.hub_code)} · `, h('span', { className: 'number' }, item.number))),
  ]
}

const total = () => view.q ? 'total.found' : CALLBACKS ? 'total.callbacks' : ENDED.includes(view.state) ? 'total.closed' : 'total'

/** Rows keep their element: focus and place on the screen stay where they were. */
function show(body) {
  const list = $('rows')
  const focused = document.activeElement
  const rows = new Map()
  let before = list.firstElementChild
  for (const item of body.items) {
    if (view.known && !view.known.has(item.case_id)) view.fresh.add(item.case_id)
    let element = view.rows.get(item.case_id)
    if (!element) element = h('li', null, h('a', { href: `/cases/${item.case_id}` }))
    const mark = `${item.seq} ${view.fresh.has(item.case_id)}`
    if (element.dataset.mark !== mark) {
      element.dataset.mark = mark
      element.firstChild.replaceChildren(...row(item))
    } else element.querySelectorAll('.countdown').forEach(tick)
    if (element === before) before = before.nextElementSibling
    else list.insertBefore(element, before)
    rows.set(item.case_id, element)
  }
  for (const [id, element] of view.rows) if (!rows.has(id)) element.remove()
  if (focused?.isConnected && document.activeElement !== focused) focused.focus({ preventScroll: true })
  view.known = view.known && view.cursors.length === 1 ? new Set([...view.known, ...rows.keys()]) : new Set(rows.keys())
  view.rows = rows
  view.next = body.next_cursor
  $('empty').hidden = body.items.length > 0
  $('total').textContent = t(total(), { n: body.total })
  $('before').disabled = view.cursors.length === 1
  $('after').disabled = !view.next
  $('page').textContent = t('page', { n: view.cursors.length, of: Math.max(1, Math.ceil(body.total / 50)) })
}

let reading = false
let again = false
async function read() {
  if (reading) { again = true; return }
  reading = true
  const [began, turned] = [Date.now(), view.turn]
  const query = new URLSearchParams({ sort: view.sort })
  if (view.q) query.set('q', view.q)
  else if (view.state) query.set('state', view.state)
  else if (CALLBACKS) query.set('desk', 'callback')
  const cursor = view.cursors.at(-1)
  if (cursor) query.set('cursor', cursor)
  const answer = await call('GET', `/v1/hubs/${shared.account.hub_code}/queue?${query}`)
  // Another filter or page was chosen meanwhile: that one is being read.
  if (turned !== view.turn) return
  if (answer.status === 200) show(answer.body)
  told(answer.status === 200)
  // A busy town nudges many times a second: read once a second, less often if reading is slow.
  setTimeout(() => {
    if (turned !== view.turn) return
    reading = false
    if (again) { again = false; read() }
  }, answer.status === 200 ? Math.min(Math.max(QUIET_MS, 4 * (Date.now() - began)), 10000) : QUIET_MS)
}

/** Another filter, order or page: what is under way for the old one no longer counts. */
function turn() {
  Object.assign(view, { known: null, fresh: new Set(), turn: view.turn + 1 })
  reading = again = false
  return read()
}

function choose(change) {
  Object.assign(view, { cursors: [null] }, change)
  frame()
  turn()
}

function frame() {
  const select = (id, key, options) =>
    h('label', null, soft(t(id)), h('select', { id, onchange: (event) => choose({ [key]: event.target.value }) },
      options.map(([value, words]) => h('option', { value, selected: value === view[key] }, words))))
  $('main').replaceChildren(
    h('section', { className: 'bar' },
      h('h1', null, hubName(shared.account.hub_code), h('span', { id: 'total', className: 'soft', 'aria-live': 'polite' })),
      h('form', { className: 'search', role: 'search', onsubmit: (event) => { event.preventDefault(); choose({ q: event.target.q.value.trim() }) } },
        h('label', null, soft(t('search')), h('input', { name: 'q', type: 'search', value: view.q, maxLength: 64, placeholder: t('search.what') }))),
      !CALLBACKS && select('filter', 'state', [['', t('filter.open')], ...worded('state', STATES)]),
      select('sort', 'sort', worded('sort', ['due', 'newest', 'received_at', 'priority']))),
    h('ol', { id: 'rows', className: 'rows' }),
    h('p', { id: 'empty', className: 'empty', hidden: true }, icon('closed'), t('empty')),
    h('nav', { className: 'pages' },
      h('button', { id: 'before', onclick: () => leaf(() => view.cursors.pop()) }, t('page.before')),
      h('span', { id: 'page', className: 'soft' }),
      h('button', { id: 'after', onclick: () => leaf(() => view.cursors.push(view.next)) }, t('page.after'))),
    h('p', { className: 'soft keys' }, t('keys')))
  view.rows = new Map()
}

function leaf(step) {
  step()
  turn().then(() => scrollTo(0, 0))
}

addEventListener('keydown', (event) => {
  const step = { j: 1, k: -1 }[event.key]
  if (!step || event.ctrlKey || event.metaKey || event.altKey || event.target.closest('input, select, textarea')) return
  const links = [...document.querySelectorAll('#rows a')]
  const at = links.indexOf(document.activeElement)
  links[Math.max(0, Math.min(at < 0 ? 0 : at + step, links.length - 1))]?.focus()
})

if (await begin()) {
  document.title = `${hubName(shared.account.hub_code)} · ${t('brand')}`
  frame()
  told = watch(shared.account.hub_code, read, read)
  await read()
} else signInForm()
