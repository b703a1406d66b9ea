// One case: where it stands, what may be done now, what was reported and what has happened.
import {
  $, begin, call, categoryName, chip, countdown, flags, h, hubName, icon, limitWords, moment, placeName, priority, reasonName, roleName, shared,
  signIn, soft, span, stageName, stateChip, t, tierName, unitName,
} from './page.js'
import { actionButtons, closeForm, openForm } from './forms.js'
import { card, photo, photos, reports, suggestions } from './shown.js'
import { watch } from './live.js'
import { drawMap } from './map.js'

const caseId = location.pathname.split('/').pop().toLowerCase()
let seen = null
let told = () => {}
let mayRead = false

function facts(it) {
  const fact = (name, value) => [h('dt', null, t(name)), h('dd', null, value)]
  return [
    h('p', { className: 'soft number' }, it.number),
    h('h1', null, categoryName(it.category)),
    h('p', { className: 'chips' }, stateChip(it.state), priority(it.priority), flags(it),
      it.location_quality === 'low' && chip('flag', t('location.low')), it.unverified && chip('flag', t('unverified'))),
    h('dl', null,
      fact('fact.place', placeName(it.place_code ?? it.hub_code)),
      fact('fact.hub', `${tierName(it.level)} · ${hubName(it.hub_code)}`),
      fact('fact.owner', `${unitName(it.owner)} · ${hubName(it.owner_hub_code)}`),
      fact('fact.received', moment(it.received_at, true)),
      it.parent_case_id && fact('fact.parent', h('a', { href: `/cases/${it.parent_case_id}` }, it.number.replace(/\.\d+$/, ''))),
      it.recurrence_of && fact('fact.recurrence', h('a', { href: `/cases/${it.recurrence_of}` }, t('see'))),
      it.attached_to && fact('fact.attached_to', h('a', { href: `/cases/${it.attached_to}` }, t('see'))),
      it.reason && fact('fact.reason', reasonName(it.reason)),
      it.suspension && it.state === 'suspended' && fact('fact.suspension', t(`suspension.${it.suspension}`)),
      it.variant && fact('fact.variant', it.variant),
      it.answer && fact('fact.answer', [t(`answer.${it.answer}`), it.satisfaction && ` · ${t(`content.${it.satisfaction}`)}`]),
      it.outcome && ['resolved', 'verifying', 'closed'].includes(it.state) && fact('fact.outcome', t(`outcome.${it.outcome}`)),
      it.rework_count > 0 && fact('fact.reworks', it.rework_count)),
  ]
}

/** The first photo before, and beside it the last one after: what a dispatcher compares. */
function pictures(list, events) {
  const added = (kind) => events.map((one) => ({ kind: one.type === 'ResolutionSubmitted' && 'after', ...one.payload }))
    .filter((one) => one.kind === kind && one.photos?.length)
  const found = { before: [...list, ...added('before')].find((one) => one.photos.length), after: added('after').at(-1) }
  return Object.entries(found).filter(([, one]) => one).map(([kind, { photos: [id] }]) =>
    h('figure', null, photo(caseId, id, t(`photo.${kind}`)), h('figcaption', null, t(`photo.${kind}`))))
}

function standing(due) {
  if (due.met_at) {
    const late = new Date(due.met_at) - new Date(due.due_at)
    return late > 0 ? chip('met late', t('due.met_late', { span: span(late) }), 'late') : chip('met', t('due.met'), 'accepted')
  }
  if (due.closed_at) return chip('', t('due.closed'))
  return due.stands_still ? chip('', t('due.still'), 'suspended') : countdown(due.due_at)
}

const dues = (it) =>
  it.dues.length > 0 && card(t('dues'), h('ul', { className: 'dues' }, it.dues.map((due) => h('li', null,
    h('span', null, h('strong', null, stageName(due.stage)), soft(t(`clock.${due.clock}`))),
    standing(due),
    soft(t('due.by', { at: moment(due.due_at, true) }), ' · ', t(due.official ? 'due.official' : 'due.provisional'),
      due.original_due_at && ` · ${t('due.original', { at: moment(due.original_due_at, true) })}`,
      due.met_at && ` · ${t('due.met_at', { at: moment(due.met_at, true) })}`)))))

const parts = (it) => it.parts.length > 0 && card(t('parts', { n: it.parts.length }),
  it.ordered && h('p', { className: 'soft' }, t('parts.ordered')),
  h('ol', { className: 'parts' }, it.parts.map((one) => h('li', null,
    h('a', { href: `/cases/${one.case_id}`, className: 'number' }, one.number), stateChip(one.state),
    soft(`${unitName(one.owner)} · ${hubName(one.owner_hub_code)}`, !one.required && ` · ${t('part.optional')}`)))))

const invited = (it, links) => it.invited.length > 0 && card(t('invited'), h('ul', { className: 'parts' }, it.invited.map((one) => {
  const link = links?.find((other) => other.unit === one.unit && other.hub_code === one.hub_code)
  return h('li', null, h('strong', null, unitName(one.unit)), soft(hubName(one.hub_code)),
    one.reported_in ? chip('met', t('reported_in'), 'accepted') : chip('asked', t('not_reported_in'), 'clock'),
    link && h('label', null, soft(t('partner.link')), h('input', { readOnly: true, value: new URL(link.path, location).href, onfocus: (event) => event.target.select() })))
})))

function actor(event) {
  if (event.actor_ref === 'system') return t('actor.system')
  if (event.actor_ref.startsWith('report:')) return t('actor.reporter')
  if (event.actor_ref.startsWith('partner:')) return unitName(event.actor_ref.slice(8))
  if (!event.actor) return ''
  return `${hubName(event.actor.hub_code)} ${event.actor.unit ? unitName(event.actor.unit) : roleName(event.actor.role)}`
}

/** A reason is the city's own, or one of those that the texts know. */
function why(type, reason) {
  if (!reason) return ''
  if (type === 'ReportDeclined') return reasonName(reason)
  const kind = { TriageStarted: 'triage', PriorityRaised: 'raise', CaseSuspended: 'suspension', SuspensionRequested: 'suspension' }[type] ?? 'why'
  return t(`${kind}.${reason}`)
}

function history(events) {
  const words = ({ type, payload: p }) => t(`event.${type}`, {
    hub: hubName(p.hub_code), owner: unitName(p.owner), from_hub: hubName(p.from_hub_code), from_owner: unitName(p.from_owner),
    stage: stageName(p.stage), percent: p.percent, tier: tierName(p.to_level), channel: t(`channel.${p.channel}`),
    outcome: t(`outcome.${p.outcome}`), clock: t(`clock.${p.clock}`), limit: limitWords(p.limit), priority: p.priority, unit: unitName(p.unit),
    category: categoryName(p.category), number: p.part?.number, state: p.part && t(`state.${p.part.state}`),
    reason: why(type, p.reason), to: reasonName(p.to), n: (p.parts ?? p.invited ?? p.candidates)?.length ?? p.reporters, variant: p.variant ?? t('variant.none'),
    answer: p.resolved && t(`answer.${p.resolved}`),
  })
  return card(t('history'), h('ol', { className: 'history' }, events.toReversed().map((event) => h('li', { className: event.type },
    h('p', null, h('strong', null, words(event)), soft(moment(event.occurred_at, true), ' ', actor(event))),
    event.text && h('p', { className: 'words' }, event.text),
    photos(caseId, event.payload.photos)))))
}

function problem(status) {
  seen = null
  $('main').replaceChildren(h('p', { className: 'empty' }, icon('late'), t(`case.${status}`)),
    h('p', { className: 'empty' }, h('a', { href: '/' }, t('back'))))
}

const slot = (id) => h('div', { id })

function frame() {
  $('main').replaceChildren(
    h('p', null, h('a', { href: '/', className: 'back' }, '‹ ', t('back'))),
    h('section', { className: 'card lead' }, slot('facts'), slot('pictures'), h('figure', { id: 'map' })),
    h('div', { className: 'columns' },
      h('div', null, card(t('do'), h('div', { id: 'result', role: 'status' }), h('div', { id: 'buttons', className: 'buttons' }),
        slot('form')), slot('suggested'), slot('dues'), slot('parts'), slot('invited')),
      h('div', null, slot('reports'), slot('history'))))
}

/** Read the case again and show it; an open form with what was typed stays. */
async function read() {
  const answer = await call('GET', `/v1/cases/${caseId}`)
  const no = answer.status === 403 || answer.status === 404
  mayRead = !no
  told(no || answer.status === 200)
  if (no) problem(answer.status)
  if (answer.status !== 200) return
  const { case: it, events, reports: told_us, partner_links: links } = answer.body
  // A read can overtake another one: never go back.
  if (seen && it.seq < seen.seq) return
  if (!$('facts')) frame()
  if (seen?.seq !== it.seq) {
    seen = it
    document.title = `${it.number} ${categoryName(it.category)}`
    $('facts').replaceChildren(...facts(it))
    $('pictures').replaceChildren(...pictures(told_us, events))
    place(it, told_us)
    $('dues').replaceChildren(dues(it) || '')
    $('parts').replaceChildren(parts(it) || '')
    $('invited').replaceChildren(invited(it, links) || '')
    $('reports').replaceChildren(reports(it, told_us))
    $('history').replaceChildren(history(events))
    buttons()
    likely(answer.body)
  }
}

/** Drawn once for a place, or again with the next read if the polygons did not come. */
async function place(it, list) {
  const map = $('map')
  const at = list.find((one) => one.location)?.location
  const key = JSON.stringify([it.place_code, it.hub_code, it.location_quality, at])
  if (map.dataset.key !== key && await drawMap(map, it, at)) map.dataset.key = key
}

const open = (type, given) => openForm(type, seen, done, given)

function buttons() {
  const behind = $('buttons').querySelector('details')?.open
  $('buttons').replaceChildren(...actionButtons(seen, open))
  if (behind && $('buttons').querySelector('details')) $('buttons').querySelector('details').open = true
  const wasOpen = $('form').firstChild
  closeForm((type) => seen.allowed.includes(type))
  if (wasOpen && !$('form').firstChild) say('bad', t('refused.stale'))
}

async function likely(file) {
  const it = file.case
  const shown = it.closed_at ? [] : await suggestions(file, open, (other) => it.allowed.includes('attach')
    && h('button', { onclick: () => open('attach', other) }, t('do.attach')))
  if (seen === it) $('suggested').replaceChildren(...shown)
}

function say(kind, words) {
  $('result').replaceChildren(h('p', { className: `result ${kind}` }, icon({ good: 'accepted', wait: 'clock' }[kind] ?? 'late'), words))
}

async function done(kind, words) {
  say(kind, words)
  await read()
}

if (await begin()) {
  await read()
  if (mayRead) told = watch(shared.account.hub_code, (data) => data.case_id === caseId && data.seq > (seen?.seq ?? 0) && read(), read)
} else signIn()
