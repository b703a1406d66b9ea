// Where the report is: looked for in the background, never waited for long, or a community chosen by hand.

const WAIT_MS = 3000
const FAST_M_PER_S = 2
const OPTIONS = { enableHighAccuracy: true, timeout: 20000, maximumAge: 30000 }

export class Whereabouts {
  #watch = null
  #point = null
  #site = document.getElementById('site')?.value ?? null
  #hub = this.#site
  #settled = Promise.resolve()

  constructor($, t) {
    Object.assign(this, { $, t })
    $('choose').addEventListener('click', () => this.#openPlaces())
    $('town').addEventListener('change', () => this.#offerPlaces($('town').value))
    $('place').addEventListener('change', () => this.#chose($('place')))
  }

  begin() {
    this.end()
    this.#point = null
    this.$('moving').hidden = true
    if (!navigator.geolocation) return this.#lost()
    if (!this.#hub) this.#say('page.position.waiting')
    this.#settled = new Promise((settled) => {
      this.#watch = navigator.geolocation.watchPosition(
        (position) => { this.#found(position.coords); settled() },
        () => { if (!this.#point) this.#lost(); settled() },
        OPTIONS,
      )
    })
  }

  end() {
    if (this.#watch !== null) navigator.geolocation.clearWatch(this.#watch)
    this.#watch = null
  }

  /** What is known now, after a last short wait: fields of the report. */
  async found() {
    if (!this.#hub) await Promise.race([this.#settled, new Promise((done) => setTimeout(done, WAIT_MS))])
    return { ...(this.#point && { location: this.#point }), ...(this.#hub && { hub_code: this.#hub }) }
  }

  #found({ longitude, latitude, accuracy, speed }) {
    this.$('moving').hidden = !(speed > FAST_M_PER_S)
    // A better fix replaces a worse one; the one who stands still does not get lost again.
    if (this.#point && accuracy > this.#point.accuracy_m) return
    this.#point = { lon: longitude, lat: latitude, datum: 'WGS84', accuracy_m: Math.round(accuracy) }
    if (!this.#hub) this.#say('page.position.known', { metres: Math.round(accuracy) })
  }

  #lost() {
    if (!this.#hub) this.#say('page.position.none')
  }

  #say(key, values) {
    this.$('position').textContent = this.t(key, values)
  }

  async #openPlaces() {
    const open = this.$('places').hidden
    this.$('places').hidden = !open
    this.$('choose').setAttribute('aria-expanded', open)
    if (open && this.$('town').options.length === 1) {
      const [top] = await hubs('')
      if (top) fill(this.$('town'), await hubs(top.code))
    }
    if (open) this.$('town').focus()
  }

  async #offerPlaces(town) {
    this.#chose(this.$('town'))
    const below = town ? await hubs(town) : []
    fill(this.$('place'), below)
    this.$('place').disabled = !below.length
  }

  #chose(select) {
    const code = select.value || this.$('town').value
    this.#hub = code || this.#site
    const named = (select.value ? select : this.$('town')).selectedOptions[0]
    if (code) this.#say('page.position.hub', { hub: named.textContent })
    else if (!this.#hub) this.#point ? this.#say('page.position.known', { metres: this.#point.accuracy_m }) : this.#lost()
  }
}

async function hubs(parent) {
  const answer = await fetch(`/v1/hubs?parent=${parent}`, { signal: AbortSignal.timeout(10000) }).catch(() => null)
  return answer?.ok ? (await answer.json()).items : []
}

function fill(select, items) {
  select.length = 1
  for (const item of items) select.add(new Option(item.name, item.code))
}
