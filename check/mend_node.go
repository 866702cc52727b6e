package check

// mendNode is for node:http and what is built on it: Express, Koa, Hono.
func mendNode(a ailment) string {
	if a.Runtime != "node" {
		return ""
	}
	const url = "https://nodejs.org/api/http.html#serverclosecallback"
	switch a.trouble {
	case unhandled, brokenOff:
		return advise("Close the server at the signal, and leave when it is closed. Without a handler Node ends at once; process.exit() in the handler does, too.", `
process.on('SIGTERM', () => server.close(() => process.exit(0)))`, url)
	case hangsUp, refuses, unannounced, waits:
		return advise("server.close() closes the listener and what is idle in that moment (since Node 19; before, nothing), and tells nobody. Say it in the answers, and close some seconds later; let the readiness probe fail meanwhile.", `
let leaving = false
server.prependListener('request', (req, res) => {
  if (leaving) res.setHeader('Connection', 'close')
})
process.on('SIGTERM', () => {
  leaving = true
  setTimeout(() => server.close(() => process.exit(0)), 5000)
})`, url)
	case hurried:
		return advise("Use process.on and not process.once: when the handler is gone, the next signal ends the program.", "process.on('SIGTERM', leave)", "https://nodejs.org/api/process.html#signal-events")
	case deaf:
		return advise("As PID 1 Node does not end by a signal that it has no handler for. Write one, and start it with an init until then.", `
process.on('SIGTERM', () => server.close(() => process.exit(0)))
docker run --init …`, "https://github.com/nodejs/docker-node/blob/main/docs/BestPractices.md#handling-kernel-signals")
	case webSockets:
		return advise("Close each WebSocket with a code at the signal; server.close() knows nothing of them.", `
for (const client of wss.clients) client.close(1001)`, "https://github.com/websockets/ws/blob/master/doc/ws.md#websocketclosecode-reason")
	case events:
		return advise("End each stream at the signal, behind a whole event: server.close() waits for them.", `
for (const res of streams) res.end()   // a Set of the answers that are open`, url)
	case goaway:
		return advise("Close each session at the signal: it sends GOAWAY, and ends with its last stream.", `
server.on('session', s => { sessions.add(s); s.on('close', () => sessions.delete(s)) })
for (const s of sessions) s.close()`, "https://nodejs.org/api/http2.html#http2sessionclosecallback")
	default:
		return ""
	}
}

func mendTerminus(a ailment) string {
	if !a.uses("@godaddy/terminus") {
		return ""
	}
	const url = "https://github.com/godaddy/terminus#how-to-set-terminus-up-with-kubernetes"
	switch a.trouble {
	case hangsUp, refuses, unannounced:
		return advise("Let terminus wait before it closes anything. Its health checks fail meanwhile; its answers do not say by themselves that they are the last.", `
let leaving = false
server.prependListener('request', (req, res) => {
  if (leaving) res.setHeader('Connection', 'close')
})
createTerminus(server, {
  beforeShutdown: () => { leaving = true; return new Promise(resolve => setTimeout(resolve, 5000)) },
  …
})`, url)
	case brokenOff, waits:
		return advise("terminus cuts what is under way after its timeout, which is 1 s by default.", "createTerminus(server, { timeout: 25000, … })", url)
	case exitsBadly:
		return advise("terminus sends itself the signal again when it is done.", "createTerminus(server, { useExit0: true, … })", url)
	default:
		return ""
	}
}

func mendFastify(a ailment) string {
	if !a.uses("fastify") {
		return ""
	}
	const url = "https://fastify.dev/docs/latest/Reference/Server/"
	switch a.trouble {
	case refuses:
		return advise("Fastify answers 503 while it closes, if it is not told otherwise; then it answers, with Connection: close.", "fastify({ return503OnClosing: false })", url+"#factory-return-503-on-closing")
	case hangsUp, unannounced:
		return advise("close() ends what is idle at once. Serve on for some seconds before it, with Connection: close in each answer, and let the readiness probe fail meanwhile.", `
let leaving = false
app.addHook('onSend', async (req, reply) => { if (leaving) reply.header('Connection', 'close') })
process.on('SIGTERM', () => {
  leaving = true
  setTimeout(() => app.close(), 5000)
})`, url+"#close")
	case unhandled, brokenOff:
		return advise("Close the application at the signal.", "process.on('SIGTERM', () => app.close())", url+"#close")
	default:
		return ""
	}
}
