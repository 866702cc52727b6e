// A plain Node server. It knows nothing of Segue, and leaves SIGTERM at its
// default, so that it dies at once.
//
// Node closes a kept-alive connection that was idle for 5 s
// (server.keepAliveTimeout). Segue's proxy gives one up after 4 s
// (proxy.timeouts.upstream_idle), so that it never sends on one that Node is
// about to close.
const http = require('node:http')

const greeting = 'hello'
const release = process.env.SEGUE_RELEASE

http.createServer((req, res) => {
  if (req.method === 'POST') {
    req.pipe(res) // send back what comes, as it comes
    return
  }
  res.setHeader('Content-Type', 'text/plain; charset=utf-8')
  res.end(`${greeting} from release ${release}, in JavaScript\n`)
}).listen(Number(process.env.PORT), '127.0.0.1')
