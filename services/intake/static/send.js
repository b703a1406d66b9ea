// Sending over a poor network: bounded tries with growing pauses, under one key, so nothing is stored twice.

const PAUSES_MS = [1000, 2000, 4000, 8000]
const REPORT_TIMEOUT_MS = 12000
const PHOTO_PATIENCE_MS = 4000

export class Refused extends Error {}

const pause = (ms) => new Promise((done) => setTimeout(done, ms))

/** The answer's JSON. Raises Refused for a 4xx that trying again will not mend, else the last trouble. */
export async function postPatiently(url, init, timeout) {
  let trouble
  for (const wait of [...PAUSES_MS, null]) {
    try {
      const answer = await fetch(url, { method: 'POST', ...init, signal: AbortSignal.timeout(timeout) })
      if (answer.ok) return await answer.json()
      if (answer.status < 500 && answer.status !== 429) throw new Refused(await why(answer))
      trouble = new Error(`answered ${answer.status}`)
    } catch (error) {
      if (error instanceof Refused) throw error
      trouble = error
    }
    if (wait !== null) await pause(wait)
  }
  throw trouble
}

async function why(answer) {
  const problem = await answer.json().catch(() => ({}))
  const faults = (problem.errors ?? []).map((fault) => `${fault.field}: ${fault.message}`)
  return faults.join('; ') || problem.detail || String(answer.status)
}

/**
 * The report does not wait long for its photo: its clock starts when it arrives.
 * → {accepted, later?: Promise} or {refused: words} or {} when it could not be sent.
 */
export async function send(key, body, photo) {
  if (photo) await Promise.race([photo.uploaded.catch(() => {}), pause(PHOTO_PATIENCE_MS)])
  const sent = photo?.id ? { ...body, photos: [photo.id] } : body
  try {
    const accepted = await postPatiently('/v1/reports', {
      headers: { 'Content-Type': 'application/json', 'Idempotency-Key': key },
      body: JSON.stringify(sent),
    }, REPORT_TIMEOUT_MS)
    return { accepted, later: photo && !photo.id ? photo.attach(accepted.status_url) : undefined }
  } catch (error) {
    return error instanceof Refused ? { refused: error.message } : {}
  }
}
