// The live line: nudges from the server, and a banner that says whether what stands here is up to date.
import { $, icon, moment, now, signIn, t } from './page.js'

const STALE_MS = 20000
const AGAIN_MS = 3000

/** `onCase(data)` for each nudge, `onAll()` whenever everything must be read again. */
export function watch(hub, onCase, onAll) {
  const line = { open: false, failed: false, lastGood: now(), retry: 0 }
  const source = new EventSource(`/v1/stream?hub=${hub}`)

  const show = () => {
    const banner = $('live')
    if (!banner) return
    const good = line.open && !line.failed
    const stale = !good && now() - line.lastGood > STALE_MS
    const kind = good ? 'on' : stale ? 'stale' : 'again'
    const words = good ? t('live.on') : stale ? t('live.stale', { at: moment(line.lastGood) }) : t('live.again')
    if (banner.dataset.words === words) return
    banner.dataset.words = words
    banner.dataset.kind = kind
    banner.replaceChildren(icon(good ? 'accepted' : stale ? 'late' : 'rework'), words)
  }

  source.onopen = () => {
    line.open = true
    show()
    onAll()
  }
  source.onerror = () => {
    line.open = false
    show()
    // A refusal (session over, hub not ours) ends the line for good; a lost connection comes back by itself.
    if (source.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 5000)
  }
  source.addEventListener('case', (event) => onCase(JSON.parse(event.data)))
  source.addEventListener('resync', onAll)
  source.addEventListener('bye', () => { source.close(); signIn() })
  setInterval(show, 1000)
  // A line can hang without an error; a read now and then shows it, and moves what no nudge tells.
  setInterval(onAll, 30000)
  addEventListener('pagehide', () => source.close())
  addEventListener('pageshow', (event) => { if (event.persisted) location.reload() })

  return (good) => {
    clearTimeout(line.retry)
    if (good) line.lastGood = now()
    else line.retry = setTimeout(onAll, AGAIN_MS)
    line.failed = !good
    show()
  }
}
