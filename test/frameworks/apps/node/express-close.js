// Express with server.close(), the graceful shutdown of its documentation.
// https://expressjs.com/en/advanced/healthcheck-graceful-shutdown.html
'use strict'

const server = require('./express-app').listen(process.env.PORT, '127.0.0.1')
process.on('SIGTERM', () => server.close())
