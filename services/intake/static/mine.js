// The own reports, kept on this telephone alone: their codes and how far they are.

const MOST = 20
const LOOKED_UP = 5
const list = () => document.querySelector('#mine ul')

/** Some browsers forbid keeping anything: then nothing is kept, and all else works. */
export function kept(name) {
  try { return JSON.parse(localStorage.getItem(name)) } catch { return null }
}

export function keep(name, value) {
  try { localStorage.setItem(name, JSON.stringify(value)) } catch { /* as above */ }
}

const read = () => kept('mine') ?? []

export function remember(code, scene) {
  const others = read().filter((one) => one.code !== code)
  keep('mine', [{ code, scene, at: Date.now() }, ...others].slice(0, MOST))
}

export function forget() {
  keep('mine', [])
  showMine()
}

export function showMine() {
  const mine = read()
  document.getElementById('mine').hidden = !mine.length
  const when = new Intl.DateTimeFormat(document.documentElement.lang, { month: 'short', day: 'numeric', hour: 'numeric', minute: '2-digit' })
  list().replaceChildren(...mine.map(({ code, scene, at }, index) => {
    const [item, link, title, status] = ['li', 'a', 'strong', 'span'].map((name) => document.createElement(name))
    link.href = `/r/${code}`
    title.textContent = scene
    status.className = 'soft'
    status.textContent = when.format(at)
    link.append(title, status)
    item.append(link)
    if (index < LOOKED_UP) lookUp(code, status)
    return item
  }))
}

async function lookUp(code, shown) {
  const headers = { 'Accept-Language': document.documentElement.lang }
  const answer = await fetch(`/v1/reports/${code}`, { headers, signal: AbortSignal.timeout(8000) }).catch(() => null)
  if (answer?.ok) shown.textContent = (await answer.json()).status_text
}
