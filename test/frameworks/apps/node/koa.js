// Koa. It has no shutdown of its own: app.listen() returns the http.Server,
// whose close() is what there is.
// https://koajs.com/#app-listen-
'use strict'

const { Readable } = require('node:stream')
const Koa = require('koa')
const { after, events, length, lines, wait } = require('./answers')

const app = new Koa()
app.use(async (ctx) => {
  switch (ctx.path) {
    case '/slow':
      await after(wait(ctx.query.ms))
      ctx.body = 'slow\n'
      break
    case '/stream':
      ctx.type = 'text/plain'
      ctx.body = Readable.from(lines(wait(ctx.query.ms)))
      break
    case '/events':
      ctx.type = 'text/event-stream'
      ctx.body = Readable.from(events())
      break
    case '/upload':
      ctx.body = await length(ctx.req)
      break
    case '/':
      ctx.body = 'hello\n'
  }
})
app.on('error', () => {}) // a client has gone

const server = app.listen(process.env.PORT, '127.0.0.1')
process.on('SIGTERM', () => server.close())
