// node:http with http-terminator, as its README has it.
// https://github.com/gajus/http-terminator#usage
'use strict'

const http = require('node:http')
const { createHttpTerminator } = require('http-terminator')

const server = http.createServer(require('./listener'))
const terminator = createHttpTerminator({ server })
server.listen(process.env.PORT, '127.0.0.1')
process.on('SIGTERM', () => terminator.terminate())
