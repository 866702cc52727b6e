// Hono on Node, with the graceful shutdown of its documentation.
// https://hono.dev/docs/getting-started/nodejs#graceful-shutdown
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { stream, streamSSE } from 'hono/streaming'
import answers from './answers.js'

const { after, length, lines, wait } = answers
const app = new Hono()
app.get('/', (c) => c.text('hello\n'))
app.get('/slow', async (c) => {
  await after(wait(c.req.query('ms')))
  return c.text('slow\n')
})
app.get('/stream', (c) => stream(c, async (out) => {
  for await (const line of lines(wait(c.req.query('ms')))) await out.write(line)
}))
app.get('/events', (c) => streamSSE(c, async (out) => {
  for (let n = 1; !out.aborted; n++) {
    await out.writeSSE({ data: `${n}` })
    await out.sleep(50)
  }
}))
app.post('/upload', async (c) => c.text(await length(c.req.raw.body ?? [])))

const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: Number(process.env.PORT) })
process.on('SIGTERM', () => {
  server.close((err) => {
    if (err) {
      console.error(err)
      process.exit(1)
    }
    process.exit(0)
  })
})
