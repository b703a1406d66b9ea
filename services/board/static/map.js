// A small map of where a case is, drawn from the city's own polygons: no tiles, nothing from elsewhere.
import { call, h, placeName, svg, t } from './page.js'

const DEGREE = 111320 // metres of latitude
const LEAST = 400 // metres: no view is closer

const ringsOf = ({ geometry: g }) => !g ? [] : g.type === 'Polygon' ? g.coordinates : g.coordinates.flat()

const words = (metres) => metres < 950
  ? t('map.metres', { n: Math.round(metres / 10) * 10 }) : t('map.kilometres', { n: Math.round(metres / 100) / 10 })

/** From degrees to the picture, flat (true enough for a town), with all `spots` and some context in sight. */
function viewOf(spots, size) {
  const narrow = Math.cos(spots[0][1] * Math.PI / 180)
  const flat = ([lon, lat]) => [lon * narrow * DEGREE, -lat * DEGREE]
  const ends = size.map((_, i) => spots.map((spot) => flat(spot)[i])).map((all) => [Math.min(...all), Math.max(...all)])
  const scale = Math.min(...ends.map(([low, high], i) => size[i] / Math.max((high - low) * 1.4, LEAST)))
  const at = (spot) => flat(spot).map((n, i) => +((n - (ends[i][0] + ends[i][1]) / 2) * scale + size[i] / 2).toFixed(1))
  return { size, scale, at }
}

function scaleBar({ scale, size: [width, height] }) {
  const most = width / 4 / scale
  const ten = 10 ** Math.floor(Math.log10(most))
  const metres = ten * [5, 2, 1].find((n) => n * ten <= most)
  return [svg('path', { class: 'scale', d: `M12 ${height - 16}v5h${Math.round(metres * scale)}v-5` }),
    svg('text', { x: 12, y: height - 21 }, words(metres))]
}

/** Centres, with their names below or above where there is room. */
function centres(hubs, { size: [width, height], at }, acting, taken) {
  return hubs.flatMap(({ properties: p }, i) => {
    const [x, middle] = at(p.centre)
    const half = p.name.length * 6.5
    const y = [middle + 18, middle - 9].find((y) => x > half && x < width - half && y > 12 && y < height - 26
      && !taken.some((one) => Math.abs(one.x - x) < one.half + half && Math.abs(one.y - y) < 18))
    if (y) taken.push({ x, y, half })
    return [svg('circle', { class: 'centre', cx: x, cy: middle, r: p.code === acting ? 5 : 2.5 }), y ? svg('text', { class: i ? 'name' : 'name here', x, y }, p.name) : '']
  })
}

function picture(features, it, subject, reported, width) {
  const height = Math.round(width * 0.64)
  const [frame, ...cells] = features
  const here = features.find((one) => one.properties.code === subject) ?? frame
  const { centre, name } = here.properties
  const point = reported && [reported.lon, reported.lat]
  const rim = [centre, ...ringsOf(here).flat()]
  const metres = ([lon, lat]) => Math.hypot((lon - centre[0]) * Math.cos(lat * Math.PI / 180), lat - centre[1]) * DEGREE
  // A point far outside would shrink the place to a dot: words tell where it is.
  const shown = point && metres(point) < 2 * Math.max(LEAST, ...rim.map(metres))
  const view = viewOf(shown ? [...rim, point] : rim, [width, height])
  const [x, y] = shown ? view.at(point) : []
  const low = it.location_quality === 'low'
  const outline = (one, kind) =>
    svg('path', { class: kind, d: ringsOf(one).map((ring) => `M${ring.map(view.at).join('L')}Z`).join('') })
  return [
    svg('svg', { viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': t('map', { place: placeName(subject) }) },
      outline(frame, 'land'), ...cells.map((one) => outline(one, 'cell')), outline(here, low ? 'here low' : 'here'),
      ...centres([here, ...features.filter((one) => one !== here)], view, it.hub_code, shown ? [{ x, y: y - 10, half: 10 }] : []),
      ...shown ? [
        low ? svg('circle', { class: 'about', cx: x, cy: y, r: Math.min(Math.max(reported.accuracy_m * view.scale, 28), 90) }) : '',
        svg('path', { class: 'pin', d: `M${x} ${y}c-2-8-9-10-9-18a9 9 0 0 1 18 0c0 8-7 10-9 18zm0-15a3 3 0 1 0 0-6 3 3 0 0 0 0 6z` })] : [],
      ...scaleBar(view)),
    h('figcaption', null, low && h('strong', null, t('map.low')),
      point ? t(shown ? 'map.point' : 'map.away', { hub: name, far: words(metres(point)) }) : t('map.no_point')),
  ]
}

/** `reported` is a report's location, or nothing. Without polygons the figure says so; false: to be tried again. */
export async function drawMap(figure, it, reported) {
  const subject = it.place_code ?? it.hub_code
  const { status, body } = await call('GET', `/v1/hubs/${subject}/areas`)
  figure.replaceChildren(...body?.features?.some((one) => one.geometry)
    ? picture(body.features, it, subject, reported, figure.clientWidth || 360)
    : [h('figcaption', null, t('map.none', { place: placeName(subject) }))])
  return status === 200
}
