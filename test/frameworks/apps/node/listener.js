// All paths for servers that take a plain listener: node:http and node:http2.
'use strict'

const { Readable, pipeline } = require('node:stream')
const { after, events, length, lines, wait } = require('./answers')

async function answer (req, res) {
  const url = new URL(req.url, 'http://localhost')
  const ms = wait(url.searchParams.get('ms'))
  switch (url.pathname) {
    case '/slow':
      await after(ms)
      return res.end('slow\n')
    case '/stream':
      return pipeline(Readable.from(lines(ms)), res, ignore)
    case '/events':
      res.setHeader('Content-Type', 'text/event-stream')
      return pipeline(Readable.from(events()), res, ignore)
    case '/upload':
      return res.end(await length(req))
    case '/':
      return res.end('hello\n')
  }
  res.statusCode = 404
  res.end()
}

const ignore = () => {} // the client has gone

module.exports = (req, res) => answer(req, res).catch(() => res.destroy())
