// node:http2 without TLS (h2c). The documentation says that server.close()
// leaves the sessions open, and to close each with session.close() in order to
// shut down gracefully: it sends GOAWAY and lets the streams finish.
// https://nodejs.org/api/http2.html#serverclosecallback
'use strict'

const http2 = require('node:http2')

const sessions = new Set()
const server = http2.createServer(require('./listener'))
server.on('session', (session) => {
  sessions.add(session)
  session.on('close', () => sessions.delete(session))
})
server.listen(process.env.PORT, '127.0.0.1')
process.on('SIGTERM', () => {
  server.close()
  for (const session of sessions) session.close()
})
