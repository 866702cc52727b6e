// Fastify's own close: it answers 503 with Connection: close from then on,
// closes idle connections, and waits for requests.
// https://fastify.dev/docs/latest/Reference/Server/#close
'use strict'

const { Readable } = require('node:stream')
const fastify = require('fastify')()
const { after, events, length, lines, wait } = require('./answers')

fastify.removeAllContentTypeParsers()
fastify.addContentTypeParser('*', (request, payload, done) => done(null, payload)) // /upload reads it itself

fastify.get('/', async () => 'hello\n')
fastify.get('/slow', async (request) => {
  await after(wait(request.query.ms))
  return 'slow\n'
})
fastify.get('/stream', async (request, reply) => reply.type('text/plain').send(Readable.from(lines(wait(request.query.ms)))))
fastify.get('/events', async (request, reply) => reply.type('text/event-stream').send(Readable.from(events())))
fastify.post('/upload', { bodyLimit: 2 ** 30 }, async (request) => length(request.body))

fastify.listen({ host: '127.0.0.1', port: Number(process.env.PORT) })
process.on('SIGTERM', () => fastify.close())
