// What case page and triage desk both show: reports with their photos, and cases that may be the same problem.
import { call, categoryName, h, moment, now, placeName, soft, span, stateChip, t } from './page.js'

export const card = (title, ...children) => h('section', { className: 'card' }, h('h2', null, title), children)

export function photo(caseId, id, alt, loading) {
  const src = `/v1/cases/${caseId}/photos/${id}`
  return h('a', { href: src, target: '_blank' }, h('img', { src, alt, loading }))
}

export const photos = (caseId, ids) => ids?.length > 0 &&
  h('p', { className: 'photos' }, ids.map((id, i) => photo(caseId, id, t('photo', { n: i + 1 }), 'lazy')))

export function reports(it, list) {
  return card(t('reports', { n: list.length }), list.map((one) => h('article', null,
    h('p', { className: 'soft' }, t(`channel.${one.channel}`), ' · ', moment(one.received_at, true),
      one.captured_at && ` · ${t('captured', { at: moment(one.captured_at, true) })}`),
    one.text && h('p', { className: 'words' }, one.text),
    photos(it.case_id, one.photos),
    h('p', { className: 'soft' },
      one.contact && `${t('contact')} ${one.contact.name ?? ''} ${one.contact.phone ?? ''}　`,
      one.location && `${t('location')} ${one.location.lat.toFixed(5)}, ${one.location.lon.toFixed(5)} WGS-84`))))
}

const metres = (n) => n < 950 ? t('map.metres', { n: Math.round(n) }) : t('map.kilometres', { n: Math.round(n / 100) / 10 })

/** With those that came after the report. */
const before = (list, events) => [...list.flatMap((one) => one.photos),
  ...events.filter((one) => one.payload.kind === 'before').flatMap((one) => one.payload.photos ?? [])]

export const firstPhotos = (it, list, events) => photos(it.case_id, before(list, events))

function compared({ case: it, reports: list, events }, likeness) {
  const [id] = before(list, events)
  return h('figure', { className: 'compared' },
    id ? photo(it.case_id, id, t('photo.before'), 'lazy') : h('p', { className: 'no-photo' }, t('photo.none')),
    h('figcaption', null,
      h('strong', null, categoryName(it.category)),
      likeness
        ? [h('a', { href: `/cases/${it.case_id}` }, it.number), soft(t('alike', { score: Math.round(likeness.score * 100) }),
          likeness.distance_m != null && ` · ${t('apart', { far: metres(likeness.distance_m) })}`)]
        : soft(t('this_case')),
      soft(placeName(it.place_code ?? it.hub_code), ' · ', t('age', { span: span(now() - new Date(it.received_at)) })),
      h('span', null, stateChip(it.state))))
}

/** This case beside each that may be the same; `act(it)` gives the buttons below one, `open` opens a form. */
export async function suggestions(file, open, act) {
  const it = file.case
  if (!it.suggested.length) return []
  const found = await Promise.all(it.suggested.map((one) => call('GET', `/v1/cases/${one.case_id}`)))
  const apart = (words, ids) => it.allowed.includes('keep_apart') && h('button', { onclick: () => open('keep_apart', ids) }, words)
  const all = it.suggested.map((one) => one.case_id)
  return [card(t('suggested.title'), it.suggested.map((likeness, i) => {
    const { status, body } = found[i]
    if (status !== 200) return h('p', { className: 'soft' }, t('suggested.closed_to_you'))
    return h('div', { className: 'pair' }, compared(file), compared(body, likeness),
      h('p', { className: 'buttons' }, act(body.case), apart(t('do.keep_apart'), [likeness.case_id])))
  }), (all.length > 1 || found[0].status !== 200) && h('p', { className: 'buttons' }, apart(t('none_of_these'), all)))]
}
