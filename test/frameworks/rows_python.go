package main

import "strings"

// pythonRows are Python's servers: WSGI ones with a Flask application, ASGI
// ones with a Starlette application, and those that are their own framework.
func pythonRows() []Row {
	row := func(r Row, packages ...string) Row {
		r.Dir, r.Slow, r.Stream, r.Upload = "python", "/slow", "/stream", "/upload"
		r.Version = []string{"/usr/bin/python3", "version.py"}
		for _, p := range packages {
			name := strings.TrimPrefix(p, "python3-")
			r.Version = append(r.Version, name)
			r.Packages = append(r.Packages, "python3-"+name)
		}
		return r
	}
	asgi := func(r Row, packages ...string) Row {
		r.Events, r.WebSocket = "/events", "/ws"
		return row(r, append(packages, "starlette")...)
	}
	// -B writes no bytecode beside the sources.
	run := func(args ...string) []string { return append([]string{"/usr/bin/python3", "-B"}, args...) }
	uwsgi := func(r Row, stop ...string) Row {
		r = row(r, "flask")
		r.Packages = append(r.Packages, "uwsgi-core", "uwsgi-plugin-python3")
		r.Version = []string{"sh", "-c", "/usr/bin/python3 version.py flask && echo uWSGI $(uwsgi --version)"}
		r.Command = append([]string{"uwsgi", "--master", "--need-app", "--plugin", "python3", "--http-socket", "127.0.0.1:$PORT",
			"--processes", "4", "--module", "flask_app:app"}, stop...)
		return r
	}
	return []Row{
		row(Row{Name: "Flask on gunicorn", Published: "immediate hang-up",
			Command: run("-m", "gunicorn", "--workers=4", "--bind=127.0.0.1:$PORT", "--graceful-timeout=10", "flask_app:app"),
			Remark: "The command of the published table. Its workers are synchronous and close each connection after its answer, with Connection: close: there is nothing to hang up on, " +
				"and so the class has another name here. The listening socket stays open as long as a worker does: a connection that is made after the signal waits in its queue, and is reset at the end. Workers that are just starting do not hear of the signal, and serve on until the graceful timeout."}, "flask", "gunicorn"),
		row(Row{Name: "Flask on gunicorn, threads",
			Remark:  "A worker leaves its loop with the next thing that happens, or after a second: what it answers until then says Connection: close, and what is idle is closed then.",
			Command: run("-m", "gunicorn", "--workers=2", "--threads=8", "--bind=127.0.0.1:$PORT", "--graceful-timeout=10", "flask_app:app")}, "flask", "gunicorn"),
		asgi(Row{Name: "Starlette on gunicorn, uvicorn workers",
			Remark:  "Each worker stops as uvicorn does.",
			Command: run("-m", "gunicorn", "--workers=2", "--worker-class=uvicorn.workers.UvicornWorker", "--bind=127.0.0.1:$PORT", "--graceful-timeout=10", "asgi_app:app")},
			"gunicorn", "uvicorn", "websockets"),
		asgi(Row{Name: "Starlette on uvicorn", Command: run("-m", "uvicorn", "--host", "127.0.0.1", "--port", "$PORT", "asgi_app:app"),
			Remark: "It closes what is idle at once. This version waits for requests without a limit; --timeout-graceful-shutdown came with 0.22."}, "uvicorn", "websockets"),
		asgi(Row{Name: "Starlette on hypercorn", Command: run("-m", "hypercorn", "--bind", "127.0.0.1:$PORT", "asgi_app:app"),
			Remark: "After the signal it closes each connection behind its next answer, without a word, and what is idle after 3 s (graceful_timeout). " +
				"An HTTP/2 request that arrives behind its GOAWAY is a KeyError that ends the whole server (0.13.2), and cuts whatever is in flight."}, "hypercorn"),
		asgi(Row{Name: "Starlette on daphne", Command: run("-m", "daphne", "-b", "127.0.0.1", "-p", "$PORT", "asgi_app:app"),
			Remark: "It has no graceful stop: what the application has under way is cancelled."}, "daphne"),
		row(Row{Name: "Flask on waitress", Command: run("-m", "waitress", "--listen=127.0.0.1:$PORT", "--threads=16", "flask_app:app"),
			Remark: "It handles no signal."}, "flask", "waitress"),
		uwsgi(Row{Name: "Flask on uWSGI, die-on-term",
			Remark: "The way of many unit files: by itself, uWSGI reloads on SIGTERM. Its end is a quick one, which cuts what is in flight."}, "--die-on-term"),
		uwsgi(Row{Name: "Flask on uWSGI, gracefully_kill_them_all",
			Remark: "The hook is in place a moment after the first worker answers; a SIGTERM before that makes uWSGI reload, and never end. --http-socket has no persistent connections."}, "--hook-master-start", "unix_signal:15 gracefully_kill_them_all"),
		row(Row{Name: "aiohttp", Command: run("aiohttp_app.py"), Events: "/events", WebSocket: "/ws",
			Remark: "run_app handles the signal. This version closes what is idle at once and gives requests 60 s; the application closes its WebSockets itself. A request whose body is still on its way is cut."}, "aiohttp"),
		row(Row{Name: "Tornado", Command: run("tornado_app.py"), Events: "/events", WebSocket: "/ws",
			Remark: "close_all_connections() is said to wait for connections to finish, and closes them whatever they are at."}, "tornado"),
		row(Row{Name: "Python http.server", Command: run("http_server.py"),
			Remark: "Nothing handles SIGTERM."}),
	}
}
