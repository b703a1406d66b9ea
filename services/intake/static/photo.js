// A photo is made small on the telephone and sent at once, while its owner still looks at the page.
import { postPatiently } from './send.js'

const MOST_PIXELS = 1600
const MOST_BYTES = 400 * 1024
const QUALITIES = [0.82, 0.7, 0.55, 0.4]

export class Photo {
  /** `uploaded` becomes the photo's id; `id` is set once it has. */
  constructor(file) {
    this.id = null
    this.blob = shrunk(file)
    this.uploaded = this.#upload('/v1/photos').then((answer) => { this.id = answer.id; return answer.id })
    this.uploaded.catch(() => {})
  }

  /** Give the photo to a report that went ahead without it. */
  attach(statusUrl) {
    return this.#upload(`${statusUrl}/photos`)
  }

  async #upload(url) {
    const form = new FormData()
    form.append('photo', await this.blob, 'photo.jpg')
    return postPatiently(url, { body: form }, 60000)
  }
}

/** A JPEG of at most 1,600 pixels and about 400 kB; what cannot be drawn here goes as it is. */
async function shrunk(file) {
  let image
  try {
    image = await createImageBitmap(file, { imageOrientation: 'from-image' })
  } catch {
    return file
  }
  const scale = Math.min(1, MOST_PIXELS / Math.max(image.width, image.height))
  const canvas = document.createElement('canvas')
  canvas.width = Math.round(image.width * scale)
  canvas.height = Math.round(image.height * scale)
  canvas.getContext('2d').drawImage(image, 0, 0, canvas.width, canvas.height)
  image.close()
  let blob = file
  for (const quality of QUALITIES) {
    blob = await new Promise((done) => canvas.toBlob(done, 'image/jpeg', quality))
    if (blob === null) return file
    if (blob.size <= MOST_BYTES) break
  }
  return blob
}
