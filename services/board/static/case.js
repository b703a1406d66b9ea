// One case: where it stands, what may be done now, what was reported and what has happened.
import {
  $, begin, call, categoryName, chip, city, countdown, h, hubName, icon, moment, placeName, shared, stateChip, t,
  tierName, unitName,
} from './page.js'
import { actions, closeForm, openForm } from './forms.js'
import { watch } from './live.js'

const caseId = location.pathname.split('/').pop().toLowerCase()
let seen = null
let told = () => {}

const stageName = (stage) => t(`stage.${stage}`).replace('stage.', '')

function facts(it) {
  const flags = [
    it.confidential && chip('flag', t('confidential'), 'lock'),
    it.supervised_level && chip('flag', t('supervised', { tier: tierName(it.supervised_level) }), 'up'),
    it.unrouted && chip('flag', t('unrouted')),
    it.location_quality === 'low' && chip('flag', t('location.low')),
    it.unverified && chip('flag', t('unverified')),
  ]
  const fact = (name, value) => [h('dt', null, t(name)), h('dd', null, value)]
  return h('section', { className: 'card lead' },
    h('p', { className: 'soft number' }, it.number),
    h('h1', null, categoryName(it.category)),
    h('p', { className: 'chips' }, stateChip(it.state), h('span', { className: `priority ${it.priority}` }, it.priority), flags),
    h('dl', null,
      fact('fact.place', placeName(it.place_code ?? it.hub_code)),
      fact('fact.hub', hubName(it.hub_code)),
      fact('fact.owner', `${unitName(it.owner)}（${hubName(it.owner_hub_code)}）`),
      fact('fact.received', moment(it.received_at, true)),
      it.outcome && ['resolved', 'verifying', 'closed'].includes(it.state) && fact('fact.outcome', t(`outcome.${it.outcome}`)),
      it.rework_count > 0 && fact('fact.reworks', it.rework_count)))
}

function dues(it) {
  if (!it.dues.length) return null
  return h('section', { className: 'card' }, h('h2', null, t('dues')),
    h('ul', { className: 'dues' }, it.dues.map((due) => h('li', null,
      h('span', null, h('strong', null, stageName(due.stage)), h('span', { className: 'soft' }, t(`clock.${due.clock}`))),
      due.met_at ? chip('met', t('due.met', { at: moment(due.met_at) }), 'accepted')
        : due.closed_at ? chip('', t('due.closed')) : countdown(due.due_at),
      h('span', { className: 'soft' }, moment(due.due_at, true), ' · ', t(due.official ? 'due.official' : 'due.provisional'))))))
}

const photos = (ids) => ids?.length > 0 && h('p', { className: 'photos' }, ids.map((id, i) => {
  const url = `/v1/cases/${caseId}/photos/${id}`
  return h('a', { href: url, target: '_blank' }, h('img', { src: url, alt: t('photo', { n: i + 1 }), loading: 'lazy' }))
}))

function reports(list) {
  return h('section', { className: 'card' }, h('h2', null, t('reports', { n: list.length })), list.map((one) => h('article', null,
    h('p', { className: 'soft' }, t(`channel.${one.channel}`), ' · ', moment(one.received_at, true),
      one.captured_at && ` · ${t('captured', { at: moment(one.captured_at, true) })}`),
    one.text && h('p', { className: 'words' }, one.text),
    photos(one.photos),
    h('p', { className: 'soft' },
      one.contact && `${t('contact')} ${[one.contact.name, one.contact.phone].filter(Boolean).join(' ')}　`,
      one.location && `${t('location')} ${one.location.lat.toFixed(5)}, ${one.location.lon.toFixed(5)} WGS-84`))))
}

function actor(event) {
  if (event.actor_ref === 'system') return t('actor.system')
  if (event.actor_ref.startsWith('report:')) return t('actor.reporter')
  if (!event.actor) return ''
  return `${hubName(event.actor.hub_code)} ${event.actor.unit ? unitName(event.actor.unit) : t('role.dispatcher')}`
}

function history(events) {
  const words = (event) => {
    const p = event.payload
    return t(`event.${event.type}`, {
      hub: hubName(p.hub_code), owner: unitName(p.owner), from_hub: hubName(p.from_hub_code), from_owner: unitName(p.from_owner),
      stage: p.stage && stageName(p.stage), percent: p.percent, tier: tierName(p.to_level),
      channel: p.channel && t(`channel.${p.channel}`), outcome: p.outcome && t(`outcome.${p.outcome}`),
      clock: p.clock && t(`clock.${p.clock}`),
    })
  }
  return h('section', { className: 'card' }, h('h2', null, t('history')),
    h('ol', { className: 'history' }, events.toReversed().map((event) => h('li', { className: event.type },
      h('p', null, h('strong', null, words(event)), h('span', { className: 'soft' }, moment(event.occurred_at, true), ' ', actor(event))),
      event.text && h('p', { className: 'words' }, event.text),
      photos(event.payload.photos)))))
}

function problem(status) {
  $('main').replaceChildren(h('p', { className: 'empty' }, icon('late'), t(`case.${status}`)),
    h('p', { className: 'empty' }, h('a', { href: '/' }, t('back'))))
}

function frame() {
  $('main').replaceChildren(
    h('p', null, h('a', { href: '/', className: 'back' }, '‹ ', t('back'))),
    h('div', { className: 'columns' },
      h('div', null, h('div', { id: 'facts' }), h('section', { id: 'do', className: 'card' },
        h('h2', null, t('do')), h('div', { id: 'result', role: 'status' }), h('div', { id: 'buttons', className: 'buttons' }),
        h('div', { id: 'form' })), h('div', { id: 'dues' })),
      h('div', null, h('div', { id: 'reports' }), h('div', { id: 'history' }))))
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
    $('facts').replaceChildren(facts(it))
    $('dues').replaceChildren(dues(it) ?? '')
    $('reports').replaceChildren(reports(told_us))
    $('history').replaceChildren(history(events))
    buttons()
  }
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
  $('result').replaceChildren(h('p', { className: `result ${kind}` }, icon(kind === 'good' ? 'accepted' : kind === 'wait' ? 'clock' : 'late'), words))
  await read()
}

if (await begin()) {
  await read()
  told = watch(shared.account.hub_code, (data) => data.case_id === caseId && data.seq > (seen?.seq ?? 0) && read(), read)
} else location.replace(`/?next=${encodeURIComponent(location.pathname)}`)
