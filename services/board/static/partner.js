// What a partner unit sees of one case with the link it was handed: no account, no reporter, no words of others.
import { $, call, categoryName, countdown, h, hubName, icon, learn, moment, newKey, placeName, stateChip, t, unitName } from './page.js'

const here = location.pathname
const JSON_ONLY = { Accept: 'application/json' }

function tell(kind, words) {
  $('result').replaceChildren(h('p', { className: `result ${kind}` }, icon(kind === 'good' ? 'accepted' : 'late'), words))
}

async function send(type, form) {
  const body = { type }
  if (form?.text) body.text = form.text.value
  if (form?.photos) {
    body.kind = 'after'
    body.photos = []
    for (const file of [...form.photos.files].slice(0, 6)) {
      const upload = new FormData()
      upload.append('photo', file)
      const answer = await call('POST', `${here}/photos`, upload)
      if (answer.status !== 201) { tell('bad', t('photos.failed', { name: file.name })); return }
      body.photos.push(answer.body.id)
    }
  }
  const answer = await call('POST', `${here}/commands`, body, { 'Idempotency-Key': newKey() })
  await read()
  if (answer.status === 200) tell('good', t('done', { what: t(`do.${type}`) }))
  else tell('bad', answer.status === 202 ? t('pending') : answer.body?.detail ?? t('refused.nobody'))
}

const form = (type, field, input) => h('form', { onsubmit: async (event) => {
  event.preventDefault()
  const button = event.target.querySelector('button')
  button.disabled = true
  await send(type, event.target)
  button.disabled = false
} }, h('label', null, t(field), input), h('button', null, t(`do.${type}`)))

/** In one line: what, where, who leads, and until when. */
const task = (it) => t(it.due_at ? 'partner.task' : 'partner.task.joined', {
  place: placeName(it.place_code ?? it.hub_code), category: categoryName(it.category),
  hub: hubName(it.owner_hub_code), owner: unitName(it.owner), at: it.due_at && moment(it.due_at, true),
})

async function read() {
  const { status, body: it } = await call('GET', here, undefined, JSON_ONLY)
  if (status !== 200) {
    $('main').replaceChildren(h('p', { className: 'empty', role: 'alert' }, icon('late'), t(status === 404 ? 'partner.over' : 'refused.unavailable')))
    return
  }
  const may = (type) => it.allowed.includes(type)
  document.title = `${it.number} ${categoryName(it.category)}`
  $('main').replaceChildren(h('section', { className: 'card guest' },
    h('p', { className: 'soft' }, t('partner.for', { unit: unitName(it.unit) })),
    h('h1', null, categoryName(it.category)),
    h('p', { className: 'chips' }, stateChip(it.state), h('span', { className: 'number' }, it.number)),
    h('p', null, task(it)),
    h('p', null, it.reported_in ? t('reported_in') : countdown(it.due_at, t('due.owner', { stage: t('do.report_in') }))),
    it.photos.length > 0 && h('p', { className: 'photos' }, it.photos.map((src, i) => h('a', { href: src, target: '_blank' }, h('img', { src, alt: t('photo', { n: i + 1 }) })))),
    h('div', { id: 'result', role: 'status' }),
    may('report_in') && h('button', { className: 'primary', onclick: () => send('report_in') }, t('do.report_in')),
    may('comment') && form('comment', 'partner.text', h('textarea', { name: 'text', required: true, maxLength: 2000, rows: 3 })),
    may('add_photos') && form('add_photos', 'field.photos', h('input', { name: 'photos', type: 'file', accept: 'image/*', multiple: true, required: true })),
    h('p', { className: 'soft' }, t('partner.keep'))))
}

await learn()
await read()
