// One case: where it stands, what may be done now, what was reported and what has happened.
import {
  $, begin, call, categoryName, chip, countdown, flags, h, hubName, icon, moment, placeName, priority, shared, signIn, soft,
  span, stageName, stateChip, t, tierName, unitName,
} from './page.js'
import { actions, closeForm, openForm } from './forms.js'
import { watch } from './live.js'
import { drawMap } from './map.js'

const caseId = location.pathname.split('/').pop().toLowerCase()
let seen = null
let told = () => {}

const card = (title, ...children) => h('section', { className: 'card' }, h('h2', null, title), children)

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
      it.outcome && ['resolved', 'verifying', 'closed'].includes(it.state) && fact('fact.outcome', t(`outcome.${it.outcome}`)),
      it.rework_count > 0 && fact('fact.reworks', it.rework_count)),
  ]
}

const photo = (id, alt, loading) => {
  const src = `/v1/cases/${caseId}/photos/${id}`
  return h('a', { href: src, target: '_blank' }, h('img', { src, alt, loading }))
}

/** The first photo before, and beside it the last one after: what a dispatcher compares. */
function pictures(list, events) {
  const added = (kind) => events.map((one) => ({ kind: one.type === 'ResolutionSubmitted' && 'after', ...one.payload }))
    .filter((one) => one.kind === kind && one.photos?.length)
  const found = { before: [...list, ...added('before')].find((one) => one.photos.length), after: added('after').at(-1) }
  return Object.entries(found).filter(([, one]) => one).map(([kind, { photos: [id] }]) =>
    h('figure', null, photo(id, t(`photo.${kind}`)), h('figcaption', null, t(`photo.${kind}`))))
}

function standing(due) {
  if (due.met_at) {
    const late = new Date(due.met_at) - new Date(due.due_at)
    return late > 0 ? chip('met late', t('due.met_late', { span: span(late) }), 'late') : chip('met', t('due.met'), 'accepted')
  }
  return due.closed_at ? chip('', t('due.closed')) : countdown(due.due_at)
}

const dues = (it) =>
  it.dues.length > 0 && card(t('dues'), h('ul', { className: 'dues' }, it.dues.map((due) => h('li', null,
    h('span', null, h('strong', null, stageName(due.stage)), soft(t(`clock.${due.clock}`))),
    standing(due),
    soft(t('due.by', { at: moment(due.due_at, true) }), ' · ', t(due.official ? 'due.official' : 'due.provisional'),
      due.met_at && ` · ${t('due.met_at', { at: moment(due.met_at, true) })}`)))))

const photos = (ids) => ids?.length > 0 &&
  h('p', { className: 'photos' }, ids.map((id, i) => photo(id, t('photo', { n: i + 1 }), 'lazy')))

function reports(list) {
  return card(t('reports', { n: list.length }), list.map((one) => h('article', null,
    h('p', { className: 'soft' }, t(`channel.${one.channel}`), ' · ', moment(one.received_at, true),
      one.captured_at && ` · ${t('captured', { at: moment(one.captured_at, true) })}`),
    one.text && h('p', { className: 'words' }, one.text),
    photos(one.photos),
    h('p', { className: 'soft' },
      one.contact && `${t('contact')} ${one.contact.name ?? ''} ${one.contact.phone ?? ''}　`,
      one.location && `${t('location')} ${one.location.lat.toFixed(5)}, ${one.location.lon.toFixed(5)} WGS-84`))))
}

function actor(event) {
  if (event.actor_ref === 'system') return t('actor.system')
  if (event.actor_ref.startsWith('report:')) return t('actor.reporter')
  if (!event.actor) return ''
  return `${hubName(event.actor.hub_code)} ${event.actor.unit ? unitName(event.actor.unit) : t('role.dispatcher')}`
}

function history(events) {
  const words = ({ type, payload: p }) => t(`event.${type}`, {
    hub: hubName(p.hub_code), owner: unitName(p.owner), from_hub: hubName(p.from_hub_code), from_owner: unitName(p.from_owner),
    stage: stageName(p.stage), percent: p.percent, tier: tierName(p.to_level), channel: t(`channel.${p.channel}`),
    outcome: t(`outcome.${p.outcome}`), clock: t(`clock.${p.clock}`),
  })
  return card(t('history'), h('ol', { className: 'history' }, events.toReversed().map((event) => h('li', { className: event.type },
    h('p', null, h('strong', null, words(event)), soft(moment(event.occurred_at, true), ' ', actor(event))),
    event.text && h('p', { className: 'words' }, event.text),
    photos(event.payload.photos)))))
}

function problem(status) {
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
        slot('form')), slot('dues')),
      h('div', null, slot('reports'), slot('history'))))
}

/** Read the case again and show it; an open form with what was typed stays. */
async function read() {
  const answer = await call('GET', `/v1/cases/${caseId}`)
  told(answer.status === 200)
  if (answer.status === 403 || answer.status === 404) { problem(answer.status); return }
  if (answer.status !== 200) return
  const { case: it, events, reports: told_us } = answer.body
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
    $('reports').replaceChildren(reports(told_us))
    $('history').replaceChildren(history(events))
    buttons()
  }
}

/** Drawn once for a place, or again with the next read if the polygons did not come. */
async function place(it, list) {
  const map = $('map')
  const at = list.find((one) => one.location)?.location
  const key = JSON.stringify([it.place_code, it.hub_code, it.location_quality, at])
  if (map.dataset.key !== key && await drawMap(map, it, at)) map.dataset.key = key
}

function buttons() {
  const legal = actions(seen)
  $('buttons').replaceChildren(...legal.map((type, i) => h('button', {
    className: i === 0 && type !== 'comment' ? 'primary' : '', onclick: () => openForm(type, seen, done),
  }, t(`do.${type}`))))
  if (!legal.length) $('buttons').append(h('p', { className: 'soft' }, t('do.nothing')))
  closeForm((type) => legal.includes(type))
}

async function done(kind, words) {
  $('result').replaceChildren(h('p', { className: `result ${kind}` }, icon({ good: 'accepted', wait: 'clock' }[kind] ?? 'late'), words))
  await read()
}

if (await begin()) {
  await read()
  told = watch(shared.account.hub_code, (data) => data.case_id === caseId && data.seq > (seen?.seq ?? 0) && read(), read)
} else signIn()
