// A page with a form, an answer for its scripts, and files. Of Segue it knows the
// number of its release.
const { createServer } = require('node:http')
const { readFileSync } = require('node:fs')
const { join, normalize } = require('node:path')

const folder = join(__dirname, 'public')
const page = readFileSync(join(folder, 'index.html'), 'utf8').replaceAll('RELEASE', process.env.SEGUE_RELEASE)

function file(path) {
  try {
    return readFileSync(join(folder, normalize(path)))
  } catch {
    return undefined // in this release; another may have it
  }
}

createServer((req, res) => {
  const { pathname } = new URL(req.url, 'http://localhost')
  if (pathname === '/') {
    res.setHeader('Content-Type', 'text/html; charset=utf-8')
    res.setHeader('Cache-Control', 'no-cache')
    res.end(page)
  } else if (pathname === '/health') {
    res.end('ok\n')
  } else if (pathname === '/api') {
    res.end(`release ${process.env.SEGUE_RELEASE}`)
  } else {
    const content = pathname.startsWith('/assets/') ? file(pathname) : undefined
    if (!content) res.statusCode = 404
    res.setHeader('Content-Type', content ? 'text/javascript' : 'text/plain')
    res.end(content ?? 'not found\n')
  }
}).listen(Number(process.env.PORT), '127.0.0.1')
