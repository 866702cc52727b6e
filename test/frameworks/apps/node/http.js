// node:http, with server.close() as its documentation has it: it stops
// accepting, closes the connections that are idle, and waits for the others.
// https://nodejs.org/api/http.html#serverclosecallback
'use strict'

const http = require('node:http')

const server = http.createServer(require('./listener'))
server.listen(process.env.PORT, '127.0.0.1')
process.on('SIGTERM', () => server.close())
