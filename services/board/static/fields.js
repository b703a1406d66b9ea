// What is filled in for each command, and how the filled-in form becomes its fields.
import { city, h, isBelow, limitWords, now, reasonName, shared, stageName, t, unitName, worded } from './page.js'

const field = (name, input) => h('label', null, t(`field.${name}`), input)
const words = (name, required) => field(name, h('textarea', { name, required, maxLength: 2000, rows: 3 }))
const line = (name, more) => field(name, h('input', { name, type: 'text', ...more }))
const choice = (name, options, onchange) =>
  field(name, h('select', { name, onchange }, options.map(([value, label]) => h('option', { value }, label))))
const files = (required) =>
  field('photos', h('input', { name: 'photos', type: 'file', accept: 'image/*', multiple: true, required }))
const tick = (name, checked) =>
  h('label', { className: 'tick' }, h('input', { name, type: 'checkbox', value: 'true', checked }), t(`field.${name}`))
const named = (kind) => Object.values(city()[kind]).map((one) => [one.code, one[`name_${shared.lang}`]])
const asked = (...told) => h('p', { className: 'asked' }, told)

export const openStages = (it) =>
  it.dues.filter((due) => due.clock === 'owner' && !due.met_at && !due.closed_at
    && !['accept', 'resolve', 'verify', 'triage', 'info', 'decision', 'suspension', 'archive'].includes(due.stage.split(':')[0]))
    .map((due) => due.stage)

const hubOptions = (from) => Object.values(city().hubs).filter((hub) => isBelow(hub.code, from))
  .map((one) => [one.code, `${'　'.repeat(one.level - 1)}${one.name}`])

/** A hub, and the units that sit there or above it; `optional` adds the choice of none. */
function seat(it, { name = 'owner', optional, partners } = {}) {
  const { hubs, units } = city()
  const none = optional ? [['', t('none')]] : []
  const unit = choice(name, [])
  const sitting = (code) => {
    const level = hubs[code].level
    const there = Object.values(units).filter((one) => one.level && one.level <= level).sort((a, b) => b.level - a.level)
    const options = [...none, ...(partners ? named('partners') : []), ...there.map((one) => [one.code, unitName(one.code)])]
    unit.lastChild.replaceChildren(...options.map(([value, label]) => h('option', { value }, label)))
  }
  const top = shared.account.role === 'unit' ? it.hub_code : shared.account.hub_code
  const hub = choice('hub_code', hubOptions(top), (event) => sitting(event.target.value))
  if (isBelow(it.hub_code, top)) hub.lastChild.value = it.hub_code
  sitting(hub.lastChild.value)
  return [hub, unit]
}

/** Rows that may be added to and taken away, each a fieldset of its own. */
function rows(title, make) {
  const list = h('div', { className: 'many' })
  const add = () => {
    const row = h('fieldset', null, h('legend', null, t(title, { n: list.children.length + 1 })), make(),
      list.children.length > 0 && h('button', { type: 'button', className: 'quiet', onclick: () => row.remove() }, t('remove')))
    list.append(row)
    return row
  }
  add()
  return [list, h('button', { type: 'button', onclick: () => add().querySelector('select').focus() }, t('add'))]
}

const decision = (it, more = [], answers = ['true', 'false']) => [
  asked(t(`request.${it.request.kind}`), ' ', it.request.owner && unitName(it.request.owner), it.request.clause,
    limitWords(it.request.limit), it.request.reason && t(`suspension.${it.request.reason}`)),
  choice('approve', worded('approve', answers)), more, words('note', false)]

/** No longer a way to keep the owner's due once it has passed: the domain grants it no more. */
export function pastDue(it) {
  const due = it.dues.find((one) => one.clock === 'owner' && one.stage === 'resolve' && !one.met_at && !one.closed_at)
  return !due || now() >= new Date(due.due_at)
}

function extension(it) {
  return pastDue(it) ? decision(it, h('p', { className: 'soft' }, t('extension.passed')), ['false']) : decision(it)
}

const assign = (it) => [seat(it), words('reason', true)]
const categories = (it) => {
  const select = choice('category', named('categories'))
  select.lastChild.value = it.category
  return select
}

export const FORMS = {
  file_case: (it) => [categories(it), choice('hub_code', [['', t('hub.as_placed')], ...hubOptions(shared.account.hub_code)])],
  request_info: () => [words('question', true)],
  decline: () => [choice('reason', named('declines')), words('note', false)],
  redirect: () => [choice('to', Object.keys(city().hotlines).map((code) => [code, `${code} ${reasonName(code)}`])), line('receipt', { maxLength: 64 })],
  attach: (it, to) => [line('to_case', { required: true, value: to?.number ?? '', maxLength: 64 })],
  // Only those that were shown: another may be suggested meanwhile.
  keep_apart: (it, ids = it.suggested.map((one) => one.case_id)) => [h('p', { className: 'soft' }, t('sure.keep_apart', { n: ids.length })),
    ids.map((id) => h('input', { type: 'hidden', name: 'case_id', value: id }))],
  detach: (it) => [choice('report_id', it.attached.map((one, i) => [one.report_id, t('report.nth', { n: i + 2 })]))],
  request_return: (it) => [seat(it, { optional: true }), line('clause', { maxLength: 200 }), words('reason', true)],
  decide_return: (it) => decision(it, it.request.owner ? [] : seat(it)),
  decide_extension: extension,
  decide_suspension: (it) => decision(it),
  reassign: assign,
  force_assign: assign,
  set_variant: (it) => [choice('variant', [['', t('variant.none')], ...city().categories[it.category].variants.map((one) => [one, one])])],
  set_category: (it) => [categories(it)],
  raise_priority: () => [choice('reason', worded('raise', ['injury', 'child', 'elder', 'school_gate', 'many_reporters'])), words('note', false)],
  reach_milestone: (it) => [choice('stage', openStages(it).map((stage) => [stage, stageName(stage)])), files(false)],
  split: (it) => [rows('part.nth', () => [seat(it), choice('category', [['', t('category.same')], ...named('categories')]), tick('required', true)]),
    tick('ordered', false), words('note', false)],
  whistle: (it) => [rows('invite.nth', () => seat(it, { name: 'unit', partners: true })), words('reason', true)],
  report_in: () => [words('note', false)],
  request_extension: (it) => {
    const limit = city().priorities[it.priority].extension
    const [, most, rest] = /^(\d+)(.*)$/.exec(limit)
    const unit = /^[A-Za-z]+/.exec(rest)[0]
    return [asked(t('extension.most', { limit: limitWords(limit) })),
      h('label', null, t(`unit.${unit}`), h('input', { name: 'days', type: 'number', min: 1, max: most, required: true, 'data-rest': rest })), words('reason', true)]
  },
  suspend: () => [choice('reason', worded('suspension', Object.keys(city().suspensions))), words('note', false)],
  submit_resolution: () => [
    choice('outcome', worded('outcome', ['fixed', 'gone_on_arrival', 'unfounded', 'not_feasible'])),
    files(false), words('note', false)],
  verify_fail: () => [words('reason', true)],
  record_callback: () => [choice('resolved', worded('answer', ['yes', 'partly', 'no'])),
    choice('satisfaction', [['', t('none')], ...worded('content', ['5', '4', '3', '2', '1'])]), words('note', false)],
  reopen: () => [words('reason', true)],
  supervise: () => [words('reason', true)],
  comment: () => [words('text', true)],
  add_photos: () => [choice('kind', worded('photo', ['before', 'after'])), files(true)],
}

const plain = (element) => Object.fromEntries([...element.querySelectorAll('input, select, textarea')]
  .filter((one) => one.type !== 'file' && one.name && one.value && (one.type !== 'checkbox' || one.checked))
  .map((one) => [one.name, one.type === 'checkbox' || one.name === 'approve' ? one.value === 'true' : one.name === 'satisfaction' ? +one.value : one.value]))

/** The fields of the command, or of each of several; less photos: those must be sent first. */
export function filledIn(type, form) {
  const many = [...form.querySelectorAll('fieldset')].map(plain)
  if (type === 'split') {
    const { ordered = false, note } = plain(form)
    return { parts: many.map((one) => ({ required: false, ...one })), ordered, ...(note && { note }) }
  }
  if (type === 'whistle') {
    const invite = many.map((one) => city().partners[one.unit] ? { unit: one.unit } : one)
    return { invite, reason: form.reason.value }
  }
  if (type === 'request_extension') return { limit: `${form.days.value}${form.days.dataset.rest}`, reason: form.reason.value }
  if (type === 'keep_apart') return [...form.querySelectorAll('[name=case_id]')].map((one) => ({ case_id: one.value }))
  const said = plain(form)
  if (type === 'request_return' && !said.owner) delete said.hub_code
  return said
}

