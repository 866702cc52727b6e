// Express with terminus, which its documentation recommends, with the options
// of the article that published the table.
// https://github.com/godaddy/terminus#with-express
'use strict'

const { createTerminus } = require('@godaddy/terminus')

const server = require('./express-app').listen(process.env.PORT, '127.0.0.1')
createTerminus(server, {
  signals: ['SIGTERM', 'SIGINT'],
  useExit0: true,
  timeout: 10000,
  healthChecks: { '/ready': async () => {} }
})
