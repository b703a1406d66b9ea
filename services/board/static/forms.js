// Commands: which may be given now, the form of each, sending it so that it arrives once, and the answer in words.
import { $, because, call, h, newKey, shared, t } from './page.js'
import { FORMS, filledIn, openStages, pastDue } from './fields.js'

// The likeliest first: a request that waits, then the next step of the work, then what is seldom done.
const FRONT = [
  'decide_return', 'decide_extension', 'decide_suspension', 'file_case', 'report_in', 'accept', 'start_work', 'restart', 'resume',
  'verify_pass', 'verify_fail', 'submit_resolution', 'reach_milestone', 'record_callback', 'reopen', 'request_info', 'decline', 'redirect',
  'attach', 'request_return',
]
const BEHIND = [
  'request_return', 'request_extension', 'suspend', 'split', 'whistle', 'reassign', 'force_assign', 'supervise', 'raise_priority',
  'set_variant', 'set_category', 'attach', 'detach', 'reopen',
]
const ALWAYS = ['comment', 'add_photos']
const MOST_IN_FRONT = 5
const NO_EXPECTED_SEQ = ['comment', 'add_photos', 'report_in']
const pause = (ms) => new Promise((go) => setTimeout(go, ms))

/** [in front, behind the fold], each in order. */
export function actions(it) {
  const may = (type) => it.allowed.includes(type)
    && (type !== 'reach_milestone' || openStages(it).length > 0) && (type !== 'request_extension' || !pastDue(it))
  // Without a likeness to look at, joining two cases is seldom meant.
  const likely = FRONT.filter((type) => may(type) && (type !== 'attach' || it.suggested.length > 0 || it.triage)).slice(0, MOST_IN_FRONT)
  return [[...likely, ...ALWAYS.filter(may)], BEHIND.filter((type) => may(type) && !likely.includes(type))]
}

export function actionButtons(it, open) {
  const [front, behind] = actions(it)
  const button = (type, className) => h('button', { className, 'data-do': type, onclick: () => open(type) }, t(`do.${type}`))
  return [
    front.map((type, i) => button(type, i === 0 && !ALWAYS.includes(type) && 'primary')),
    !front.length && !behind.length && h('p', { className: 'soft' }, t('do.nothing')),
    behind.length > 0 && h('details', { className: 'fold' }, h('summary', null, t('do.more', { n: behind.length })),
      h('div', { className: 'buttons' }, behind.map((type) => button(type)))),
  ].flat().filter(Boolean)
}

/** Close the open form unless `stays(its type)`. */
export function closeForm(stays = () => false) {
  const form = $('form').firstChild
  if (form && !stays(form.dataset.type)) form.remove()
}

/** Not wanted after all: the keyboard goes on where the form was opened from. */
function cancel(form, opener) {
  form.remove()
  const button = opener?.isConnected && opener.matches('button') ? opener : document.querySelector(`#buttons [data-do=${form.dataset.type}]`)
  const folded = button?.closest('details:not([open])')
  ;(folded?.querySelector('summary') ?? button ?? $('main')).focus()
}

addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && !event.isComposing) $('form')?.firstChild?.cancel()
})

/** `given` is what the form begins with, where it takes something. */
export function openForm(type, it, done, given) {
  const opener = document.activeElement
  const form = h('form', { 'data-type': type }, h('h3', null, t(`do.${type}`)),
    FORMS[type] ? FORMS[type](it, given) : h('p', { className: 'soft' }, t(`sure.${type}`)),
    h('p', { className: 'buttons' }, h('button', { className: 'primary' }, t('send')),
      h('button', { type: 'button', onclick: () => form.cancel() }, t('cancel'))))
  // One key for one command of a filled-in form: however often it is sent, it is one command; filled in anew, another.
  let keys = []
  form.oninput = () => { keys = [] }
  const body = { type, ...(NO_EXPECTED_SEQ.includes(type) ? {} : { expected_seq: it.seq }) }
  form.onsubmit = async (event) => {
    event.preventDefault()
    const button = form.querySelector('button')
    button.disabled = true
    button.textContent = t('sending')
    let kind, message
    for (const [i, fields] of [filledIn(type, form)].flat().entries()) {
      [kind, message] = await send(it.case_id, { ...body, ...fields }, form, keys[i] ??= newKey())
      if (kind === 'bad' || kind === 'refused') break
    }
    button.disabled = false
    button.textContent = t('send')
    if (kind !== 'bad') form.remove()
    await done(kind, message)
  }
  form.cancel = () => cancel(form, opener)
  $('form').replaceChildren(form)
  form.querySelector('input, select, textarea, button').focus()
}

/** The other case, by whatever people call it. */
async function called(name) {
  const { body } = await call('GET', `/v1/hubs/${shared.account.hub_code}/queue?${new URLSearchParams({ q: name })}`)
  return body?.items?.[0]?.case_id
}

async function send(caseId, command, form, key) {
  const { to_case: other, ...body } = command
  if (other && !(body.to_case_id = await called(other))) return ['bad', t('attach.nobody', { name: other })]
  const photos = [...form.photos?.files ?? []]
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
  const { code = 'nobody', detail = '', errors = [] } = answer.body ?? {}
  const why = errors.length ? errors.map((one) => because(one.message, one.field)).join('; ') : because(detail)
  const said = t(`refused.${code}`, { why })
  return [code === 'stale' || code === 'not_allowed' ? 'refused' : 'bad', said === `refused.${code}` ? detail || code : said]
}
