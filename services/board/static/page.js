// What both pages share: texts in two languages, the city's names, calls to the board, time as the server has it.

export const shared = { lang: localStorage.getItem('lang') ?? (navigator.language.startsWith('en') ? 'en' : 'zh'), account: null, offset: 0 }
let texts = {}
const KINDS = ['hubs', 'units', 'categories', 'priorities', 'partners', 'declines', 'suspensions', 'hotlines']
const names = Object.fromEntries([...KINDS, 'tiers'].map((kind) => [kind, {}]))

/** `{n}` is a value, `{n|day|days}` a word for one or for many of it. */
export const t = (key, values = {}) => (texts[shared.lang]?.[key] ?? key)
  .replace(/\{(\w+)\|([^|}]*)\|([^|}]*)\}/g, (_, name, one, many) => +values[name] === 1 ? one : many)
  .replace(/\{(\w+)\}/g, (_, name) => values[name] ?? '')

/** Why the domain says no, which it says in English: by some of its words in a text of ours, or as it came. */
export function because(detail, field) {
  const key = Object.keys(texts[shared.lang]).find((one) => one.startsWith('because.') && detail.includes(one.slice(8)))
  return key ? t(key) : t('because', { detail: field ? `${field}: ${detail}` : detail })
}

export const $ = (id) => document.getElementById(id)

/** An element: properties, attributes (with a hyphen, or that are no property) and children; null is left out. */
export function h(tag, properties, ...children) {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value == null || value === false) continue
    if (name in element && !name.includes('-')) element[name] = value
    else element.setAttribute(name, value === true ? '' : value)
  }
  element.append(...children.flat(9).filter((child) => child != null && child !== false))
  return element
}

const PATHS = {
  triaging: 'M2 3h12l-5 6v5l-2-1V9z',
  need_info: 'M5 6a3 3 0 1 1 4 3l-1 1v1M8 13.5v.5',
  declined: 'M8 2a6 6 0 1 1 0 12A6 6 0 0 1 8 2zM4 12l8-8',
  redirected: 'M3 12V8a2 2 0 0 1 2-2h8M10 3l3 3-3 3',
  attached: 'M5 8h6M6 5H4a3 3 0 0 0 0 6h2M10 5h2a3 3 0 0 1 0 6h-2',
  suspended: 'M5 3v10M11 3v10',
  archived: 'M2 3h12v3H2zM3 6v8h10V6M6 9h4',
  withdrawn: 'M6 4L3 7l3 3M3 7h7a3 3 0 0 1 0 6H7',
  filed: 'M4 2h6l3 3v9H4zM7 8h4M7 11h4',
  dispatched: 'M2 8h10M8 4l4 4-4 4',
  accepted: 'M3 8l3 3 7-7',
  in_progress: 'M3 13l6-6M8 3a3 3 0 0 1 5 3l-2 1-2-1z',
  resolved: 'M2 8l3 3 6-6M8 11l6-6',
  verifying: 'M7 3a4 4 0 1 1 0 8 4 4 0 0 1 0-8zM10 10l4 4',
  rework: 'M13 8a5 5 0 1 1-2-4M13 2v3h-3',
  closed: 'M3 8l3 3 7-7M2 14h12',
  late: 'M8 2l7 12H1zM8 6v4M8 12v.5',
  clock: 'M8 2a6 6 0 1 1 0 12A6 6 0 0 1 8 2zM8 5v3l2 2',
  lock: 'M4 7h8v7H4zM6 7V5a2 2 0 0 1 4 0v2',
  up: 'M8 14V3M4 7l4-4 4 4',
}

export function svg(tag, attributes, ...children) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag)
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value)
  element.append(...children)
  return element
}

export const icon = (name) =>
  svg('svg', { viewBox: '0 0 16 16', 'aria-hidden': 'true' }, svg('path', { d: PATHS[name] ?? '' }))

/** [code, words] of each. */
export const worded = (kind, codes) => codes.map((code) => [code, t(`${kind}.${code}`)])
export const soft = (...children) => h('span', { className: 'soft' }, children)
export const chip = (kind, words, symbol) => h('span', { className: `chip ${kind}` }, symbol && icon(symbol), words)
export const stateChip = (state) => chip(`state-${state}`, t(`state.${state}`), state)
export const flags = (it) => [
  it.confidential && chip('flag', t('confidential'), 'lock'),
  it.supervised_level && chip('flag up', t('supervised', { tier: tierName(it.supervised_level) }), 'up'),
  it.unrouted && chip('flag', t('unrouted')),
  it.triage && chip('flag', t(`triage.${it.triage}`)),
  it.request && chip('flag asked', t(`request.${it.request.kind}`), 'need_info'),
  ...['problem_ticket', 'backlogged', 'group_issue'].map((name) => it[name] && chip('flag up', t(name), 'late')),
  it.suggested.length > 0 && it.closed_at == null && chip('flag', t('suggested'), 'attached'),
  it.surge && chip('flag', t('surge')),
]
export const priority = (code) =>
  h('span', { className: `priority ${code}` }, h('strong', null, code), ' ', named('priorities')(code))

/** A stage without a text shows its code; one may say whose it is: `report_in:water_co@320506`. */
export function stageName(stage = '') {
  const [plain, whose] = stage.split(':')
  const said = t(`stage.${plain}`).replace('stage.', '')
  return whose ? `${said} ${unitName(whose.split('@')[0])}` : said
}

const named = (kind) => (code) => {
  const one = names[kind][code]
  return one ? (one.name ?? one[`name_${shared.lang}`]) : (code ?? '')
}
export const hubName = named('hubs')
export const unitName = (code) => named(names.partners[code] ? 'partners' : 'units')(code)
export const reasonName = (code) => named('declines')(code) && named(names.declines[code] ? 'declines' : 'hotlines')(code)
export const categoryName = named('categories')
export const tierName = named('tiers')
export const city = () => names

/** From the top down to the hub. */
const chain = (code) => names.hubs[code] ? [...chain(names.hubs[code].parent), code] : []

/** "越溪街道 › 莫舍社区"; the root is left out where there is more to say. */
export const placeName = (code) =>
  chain(code).slice(chain(code).length > 1 ? 1 : 0).map(hubName).join(' › ') || t('place.unknown')

export const isBelow = (code, top) => chain(code).includes(top)

/** {status, body}; status 0 when nothing answers. A 401 sends the caller to sign in. */
export async function call(method, path, body, headers = {}) {
  const json = body && !(body instanceof FormData)
  const asked = Date.now()
  try {
    const answer = await fetch(path, {
      method,
      headers: json ? { 'Content-Type': 'application/json', ...headers } : headers,
      body: json ? JSON.stringify(body) : body,
      signal: AbortSignal.timeout(json || !body ? 12000 : 60000),
    })
    const read = answer.status === 204 ? null : await answer.json().catch(() => null)
    if (read?.as_of) shared.offset = new Date(read.as_of) - (asked + Date.now()) / 2
    if (answer.status === 401 && path !== '/v1/session') signIn()
    return { status: answer.status, body: read }
  } catch {
    return { status: 0, body: null }
  }
}

export const roleName = (role) => t(`role.${role}`)

export const signIn = () => location.replace(`/?next=${encodeURIComponent(location.pathname)}`)

/** A random UUID; crypto.randomUUID is not there without https. */
export const newKey = () => '10000000-1000-4000-8000-100000000000'.replace(/[018]/g, (digit) =>
  (digit ^ crypto.getRandomValues(new Uint8Array(1))[0] & 15 >> digit / 4).toString(16))

export const now = () => Date.now() + shared.offset

/** In the city's own time, wherever the browser is; the day is left out where it is today. */
export function moment(text, full) {
  const [language, timeZone] = [shared.lang === 'zh' ? 'zh-CN' : 'en-GB', names.timezone]
  const day = (at) => new Date(at).toLocaleDateString(language, { timeZone })
  return new Date(text).toLocaleString(language, {
    ...((full || day(text) !== day(now())) && { month: 'short', day: 'numeric' }),
    hour: '2-digit', minute: '2-digit', hour12: false, timeZone,
  })
}

export function span(ms) {
  const s = Math.floor(ms / 1000)
  const [d, hours, m] = [Math.floor(s / 86400), Math.floor(s / 3600) % 24, Math.floor(s / 60) % 60]
  if (d) return t('span.days', { d, h: hours })
  if (hours) return t('span.hours', { h: hours, m: String(m).padStart(2, '0') })
  return m < 10 ? t('span.seconds', { m, s: String(s % 60).padStart(2, '0') }) : t('span.minutes', { m })
}

/** `5WD OFF` as people say it: an amount, and by which calendar it is counted. */
export function limitWords(limit) {
  const [, n, unit, calendar] = /^(\d+)([A-Za-z]+) (\w+)$/.exec(limit ?? '') ?? []
  if (!n) return limit ?? ''
  const amount = t(`limit.${unit}`, { n })
  const counted = t(`calendar.${calendar}`)
  return ['WD', 'WH', 'Cd'].includes(unit) || counted.startsWith('calendar.') ? amount : t('limit', { amount, counted })
}

/** A running countdown to `due` of `stage`; its class says late, soon (the last hour) or calm, its words do too. */
export function countdown(due, stage = '') {
  const element = h('span', { className: 'countdown', 'data-due': due ?? '', 'data-stage': stage })
  tick(element)
  return element
}

/** The due by which the queue sorts, with its stage in words. */
export const nextDue = (item) =>
  running(item, item.dues.find((one) => one.due_at === item.due_at && !one.met_at && !one.closed_at))

/** The clock of `due`, or of the case as a whole if none is named. */
export const running = (item, due) => due?.stands_still
  ? soft(t('due.still')) : countdown(due ? due.due_at : item.due_at, due && t(`due.${due.clock}`, { stage: stageName(due.stage) }))

export function tick(element) {
  const due = element.dataset.due
  const left = due ? new Date(due) - now() : Infinity
  const kind = left < 0 ? 'late' : left < 3600000 ? 'soon' : 'calm'
  const words = due ? t(left < 0 ? 'due.late' : 'due.left', { stage: element.dataset.stage, span: span(Math.abs(left)) }) : t('due.none')
  if (element.dataset.kind !== kind) {
    element.dataset.kind = kind
    element.replaceChildren(icon(kind === 'late' ? 'late' : 'clock'), h('span'))
  }
  if (element.lastChild.textContent !== words) element.lastChild.textContent = words
}

function header() {
  const account = shared.account
  const who = account && (account.unit ? unitName(account.unit) : roleName(account.role))
  const views = account && { '/': true, '/triage': account.role === 'dispatcher', '/callbacks': account.role === 'callback_agent' }
  $('top').replaceChildren(...h('div', null,
    h('a', { className: 'skip', href: '#main' }, t('skip')),
    h('a', { className: 'brand', href: '/', 'aria-label': t('brand') }, h('img', { src: '/static/icon.svg', alt: '', width: 28, height: 28 }), h('span', null, t('brand'))),
    account && h('nav', { className: 'views', 'aria-label': t('views') }, Object.keys(views).filter((path) => views[path]).map((path) =>
      h('a', { href: path, 'aria-current': location.pathname === path && 'page' }, t(`view.${path}`)))),
    h('span', { className: 'who' }, account && `${hubName(account.hub_code)} · ${who}`),
    h('span', { className: 'live', id: 'live', role: 'status' }),
    h('button', {
      className: 'quiet', lang: shared.lang === 'zh' ? 'en' : 'zh-CN',
      onclick: () => {
        localStorage.setItem('lang', shared.lang === 'zh' ? 'en' : 'zh')
        location.reload()
      },
    }, shared.lang === 'zh' ? 'English' : '中文'),
    account && h('button', {
      className: 'quiet',
      onclick: async () => { await call('DELETE', '/v1/session'); location.assign('/') },
    }, t('sign_out'))).childNodes)
}

/** Texts and names, for everybody. */
export async function learn() {
  document.documentElement.lang = shared.lang === 'zh' ? 'zh-CN' : 'en'
  const [words, known] = await Promise.all([fetch('/static/texts.json').then((answer) => answer.json()), call('GET', '/v1/city')])
  texts = words
  for (const kind of KINDS)
    for (const one of known.body?.[kind] ?? []) names[kind][one.code] = one
  names.timezone = known.body?.timezone
  for (const tier of known.body?.tiers ?? []) names.tiers[tier.level] = tier
  setInterval(() => document.querySelectorAll('.countdown').forEach(tick), 1000)
  header()
}

/** The same, and the account; false when nobody is signed in. */
export async function begin() {
  const [session] = await Promise.all([call('GET', '/v1/session'), learn()])
  shared.account = session.status === 200 ? session.body : null
  header()
  return shared.account !== null
}
