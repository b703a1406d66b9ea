// Commands: the small form each one needs, sending it so that it arrives once, and the answer in words.
import { $, call, city, h, isBelow, newKey, shared, stageName, t, unitName, worded } from './page.js'

const ORDER = [
  'accept', 'start_work', 'restart', 'verify_pass', 'submit_resolution', 'verify_fail', 'reach_milestone', 'reassign',
  'comment', 'add_photos',
]
const NOTHING_TO_FILL = ['accept', 'start_work', 'restart', 'verify_pass']
const NO_EXPECTED_SEQ = ['comment', 'add_photos']
const pause = (ms) => new Promise((go) => setTimeout(go, ms))

const openStages = (it) =>
  it.dues.filter((due) => due.clock === 'owner' && !due.met_at && !due.closed_at && !['accept', 'resolve', 'verify'].includes(due.stage))
    .map((due) => due.stage)

export const actions = (it) =>
  ORDER.filter((type) => it.allowed.includes(type) && (type !== 'reach_milestone' || openStages(it).length))

const field = (name, input) => h('label', null, t(`field.${name}`), input)
const words = (name, required) => field(name, h('textarea', { name, required, maxLength: 2000, rows: 3 }))
const choice = (name, options, onchange) =>
  field(name, h('select', { name, onchange }, options.map(([value, label]) => h('option', { value }, label))))
const files = (required) =>
  field('photos', h('input', { name: 'photos', type: 'file', accept: 'image/*', multiple: true, required }))

function reassign(it) {
  const { hubs, units } = city()
  const mine = Object.values(hubs).filter((hub) => isBelow(hub.code, shared.account.hub_code))
  const unit = choice('owner', [])
  const sitting = (code) => {
    const level = hubs[code].level
    const there = Object.values(units).filter((one) => one.level && one.level <= level).sort((a, b) => b.level - a.level)
    unit.lastChild.replaceChildren(...there.map((one) => h('option', { value: one.code }, unitName(one.code))))
  }
  const hub = choice('hub_code', mine.map((one) => [one.code, `${'　'.repeat(one.level - 1)}${one.name}`]), (event) => sitting(event.target.value))
  if (isBelow(it.hub_code, shared.account.hub_code)) hub.lastChild.value = it.hub_code
  sitting(hub.lastChild.value)
  return [hub, unit, words('reason', true)]
}

const FORMS = {
  submit_resolution: () => [
    choice('outcome', worded('outcome', ['fixed', 'gone_on_arrival', 'unfounded', 'not_feasible'])),
    files(false), words('note', false)],
  verify_fail: () => [words('reason', true)],
  reach_milestone: (it) => [
    choice('stage', openStages(it).map((stage) => [stage, stageName(stage)])), files(false)],
  reassign,
  comment: () => [words('text', true)],
  add_photos: () => [choice('kind', worded('photo', ['before', 'after'])), files(true)],
}

/** Close the open form unless `stays(its type)`. */
export function closeForm(stays = () => false) {
  const form = $('form').firstChild
  if (form && !stays(form.dataset.type)) form.remove()
}

export function openForm(type, it, done) {
  const form = h('form', { 'data-type': type }, h('h3', null, t(`do.${type}`)),
    NOTHING_TO_FILL.includes(type) ? h('p', { className: 'soft' }, t(`sure.${type}`)) : FORMS[type](it),
    h('p', { className: 'buttons' }, h('button', { className: 'primary' }, t('send')),
      h('button', { type: 'button', onclick: () => form.remove() }, t('cancel'))))
  // One key for one filled-in form: however often it is sent, it is one command; filled in anew, another.
  let key = newKey()
  form.oninput = () => { key = newKey() }
  const body = { type, ...(NO_EXPECTED_SEQ.includes(type) ? {} : { expected_seq: it.seq }) }
  form.onsubmit = async (event) => {
    event.preventDefault()
    const button = form.querySelector('button')
    button.disabled = true
    button.textContent = t('sending')
    const [kind, message] = await send(it.case_id, body, new FormData(form), key)
    button.disabled = false
    button.textContent = t('send')
    if (kind !== 'bad') form.remove()
    await done(kind, message)
  }
  $('form').replaceChildren(form)
  form.querySelector('input, select, textarea, button').focus()
}

async function send(caseId, command, filled, key) {
  const body = { ...command }
  for (const [name, value] of filled) if (typeof value === 'string' && value) body[name] = value
  const photos = filled.getAll('photos').filter((file) => file.size)
  if (photos.length > 6) return ['bad', t('photos.six')]
  for (const file of photos) {
    const upload = new FormData()
    upload.append('photo', file)
    const answer = await call('POST', '/v1/photos', upload)
    if (answer.status !== 201) return ['bad', `${t('photos.failed', { name: file.name })} ${answer.body?.detail ?? ''}`]
    body.photos = [...(body.photos ?? []), answer.body.id]
  }
  const path = `/v1/cases/${caseId}/commands`
  let answer
  for (let attempt = 0; attempt < 4; attempt++) {
    answer = await call('POST', path, body, { 'Idempotency-Key': key })
    if (answer.status && answer.status !== 503) break
    await pause(1000 * 2 ** attempt)
  }
  for (let i = 0; answer.status === 202 && i < 20; i++) {
    await pause(1500)
    const outcome = await call('GET', answer.body.outcome_url)
    if (outcome.status === 200 && outcome.body.outcome !== 'pending')
      answer = { status: outcome.body.outcome === 'applied' ? 200 : 409, body: outcome.body }
  }
  if (answer.status === 200) return ['good', t('done', { what: t(`do.${command.type}`) })]
  if (answer.status === 202) return ['wait', t('pending')]
  const code = answer.body?.code ?? 'nobody'
  const known = t(`refused.${code}`)
  const said = known === `refused.${code}` ? (answer.body?.detail ?? code) : known
  const fields = (answer.body?.errors ?? []).map((one) => `${one.field}: ${one.message}`).join('; ')
  return [code === 'stale' || code === 'not_allowed' ? 'refused' : 'bad', code === 'invalid' ? `${said} ${fields}` : said]
}
