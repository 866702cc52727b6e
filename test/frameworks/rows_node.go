package main

// nodeRows are Node's servers. All of them sit on node:http, whose close() has
// closed idle connections since Node 19 and tells nobody that it is leaving.
func nodeRows() []Row {
	row := func(r Row, packages ...string) Row {
		r.Dir, r.Slow, r.Stream, r.Upload = "node", "/slow", "/stream", "/upload"
		r.Version = append([]string{"node", "version.js"}, packages...)
		r.Tools = append(r.Tools, "node")
		if len(packages) > 0 {
			r.Tools, r.Install = append(r.Tools, "npm"), []string{"npm", "ci", "--ignore-scripts"}
		}
		return r
	}
	npmStart := row(Row{Name: "Node under npm start", Command: []string{"npm", "start"}, Tools: []string{"npm"},
		Remark: "npm ends by the signal, and so does the shell that it runs; node never hears of it and goes on, as an orphan here, and until it is killed in a container."})
	npmStart.Version = []string{"sh", "-c", "node version.js && echo npm $(npm --version)"}
	return []Row{
		row(Row{Name: "Node http, server.close", Command: []string{"node", "http.js"}, Events: "/events",
			Remark: "close() stops listening and, since Node 19, closes the connections that are idle after use. It waits for all others and tells them nothing: " +
				"one that was busy is kept alive after its answer, and one that was never used stays open, for as long as their clients like."}),
		row(Row{Name: "Node http, http-terminator", Command: []string{"node", "terminator.js"},
			Remark: "Its README says that requests in flight have 5 s; its code gives them 1 s, unless gracefulTerminationTimeout says more. " +
				"It closes the listening socket last: until then a new connection is accepted and closed without an answer."}, "http-terminator"),
		row(Row{Name: "Node http2 without TLS", Command: []string{"node", "http2.js"}, Events: "/events",
			Remark: "session.close() on each session, which the application must keep a list of, sends GOAWAY."}),
		row(Row{Name: "ws on Node http", Command: []string{"node", "ws.js"}, WebSocket: "/ws",
			Remark: "The application closes its WebSockets itself, with 1001; neither ws nor node:http does."}, "ws"),
		row(Row{Name: "Express, nothing done", Command: []string{"node", "express-none.js"},
			Remark: "The first example of its documentation."}, "express"),
		row(Row{Name: "Express, server.close", Command: []string{"node", "express-close.js"}, Events: "/events", Published: "never ends",
			Remark: "node:http's close(), see there: since Node 19 only what is busy at the signal is kept for ever, not what is idle."}, "express"),
		row(Row{Name: "Express with terminus", Command: []string{"node", "express-terminus.js"}, Ready: "/ready", Published: "immediate hang-up",
			Remark: "With the options of the published table. It closes whatever has no answer under way, also a connection on which half a request has come."},
			"express", "@godaddy/terminus"),
		row(Row{Name: "Fastify", Command: []string{"node", "fastify.js"}, Events: "/events",
			Remark: "What is idle is closed at once; a request that still comes on another connection, or whose header comes whole after the signal, is answered 503 with Connection: close " +
				"(return503OnClosing: false lets it through)."}, "fastify"),
		row(Row{Name: "Koa", Command: []string{"node", "koa.js"}, Events: "/events", Remark: "node:http's close(), see there."}, "koa"),
		row(Row{Name: "Hono", Command: []string{"node", "hono.mjs"}, Events: "/events", Remark: "node:http's close(), see there."}, "hono", "@hono/node-server"),
		npmStart,
		row(Row{Name: "Node under sh -c", Command: []string{"sh", "-c", "node http.js"},
			Remark: "The shell form of a Dockerfile's CMD. The shell ends by the signal, or ignores it as PID 1 of a container; node never hears of it. `exec node http.js` mends it."}),
	}
}
