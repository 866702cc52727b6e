// Express as the "Hello world" of its documentation: nothing handles SIGTERM.
// https://expressjs.com/en/starter/hello-world.html
'use strict'

require('./express-app').listen(process.env.PORT, '127.0.0.1')
