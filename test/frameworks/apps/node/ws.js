// ws on node:http. ws does not close its clients when the server closes, and
// says so; its documentation has wss.clients to do it with.
// https://github.com/websockets/ws/blob/master/doc/ws.md#serverclosecallback
'use strict'

const http = require('node:http')
const { WebSocketServer } = require('ws')

const server = http.createServer(require('./listener'))
const wss = new WebSocketServer({ server, path: '/ws' })
wss.on('connection', (client) => {
  client.on('error', () => {})
  client.on('message', (data, isBinary) => client.send(data, { binary: isBinary }))
})
server.listen(process.env.PORT, '127.0.0.1')
process.on('SIGTERM', () => {
  server.close()
  for (const client of wss.clients) client.close(1001)
})
