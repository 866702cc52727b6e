package check

import "syscall"

func mendGunicorn(a ailment) string {
	if a.Name != "gunicorn" {
		return ""
	}
	const settings, signals = "https://docs.gunicorn.org/en/stable/settings.html#graceful-timeout", "https://docs.gunicorn.org/en/stable/signals.html"
	switch a.trouble {
	case brokenOff, unhandled:
		if a.signal != syscall.SIGTERM {
			return advise("TERM is gunicorn's graceful end; QUIT and INT are quick ones.", "STOPSIGNAL SIGTERM", signals)
		}
		return advise("Workers that are not done in graceful_timeout are killed; it should be a little shorter than the deploy's grace. What is half sent ties up a synchronous worker: let a proxy that buffers stand before it.", "gunicorn --graceful-timeout 25 …   # 30 by default", settings)
	case hangsUp, refuses, unannounced:
		return inFront("gunicorn", "closes its listener and what is idle at the signal")
	case waits:
		return advise("Workers are waited for until graceful_timeout.", "gunicorn --graceful-timeout 8 …    # 30 by default; shorter than the deploy's grace", settings)
	default:
		return ""
	}
}

func mendUvicorn(a ailment) string {
	if a.Name != "uvicorn" {
		return ""
	}
	const url = "https://www.uvicorn.org/settings/#timeouts"
	switch a.trouble {
	case brokenOff, waits, webSockets, events, lingers:
		return advise("uvicorn waits for requests and streams without a limit if it has none, and cancels what is left at the end of it. Streams of your own should end by themselves: they can learn of the signal in the lifespan, or by a handler.", "uvicorn --timeout-graceful-shutdown 20 …   # since 0.22; shorter than the deploy's grace", url)
	case hangsUp, refuses, unannounced:
		return inFront("uvicorn", "closes its listener and what is idle at the signal")
	case exitsBadly:
		return advise("Since 0.29 uvicorn ends itself by the signal that it got, when it is done: 128 and its number is no failure.", "SuccessExitStatus=143   # in the systemd unit", "https://www.uvicorn.org/release-notes/")
	default:
		return ""
	}
}

func mendHypercorn(a ailment) string {
	if a.Name != "hypercorn" {
		return ""
	}
	const url = "https://hypercorn.readthedocs.io/en/latest/how_to_guides/configuring.html"
	switch a.trouble {
	case brokenOff, waits, webSockets, events:
		return advise("hypercorn gives requests 3 s after the signal if it is not told otherwise.", "hypercorn --graceful-timeout 25 …   # shorter than the deploy's grace", url)
	case hangsUp, refuses, unannounced, goaway:
		return inFront("hypercorn", "closes its listener and what is idle at the signal")
	default:
		return ""
	}
}

// mendPython is for servers without a graceful end, or with a small one.
func mendPython(a ailment) string {
	switch {
	case a.Name == "waitress" && (a.trouble == unhandled || a.trouble == deaf || a.trouble == brokenOff):
		return advise("waitress handles no signal, and stops in order if it is interrupted by SystemExit: what its threads work on has 5 s then. What is half sent is lost all the same, unless a proxy that buffers stands before it.", `
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
waitress.serve(app, …)`, "https://docs.pylonsproject.org/projects/waitress/en/latest/api.html")
	case a.Name == "aiohttp" && (a.trouble == brokenOff || a.trouble == waits):
		return advise("run_app gives requests 60 s, if it is not told otherwise; WebSockets and streams are the application's own to end, in on_shutdown.", "web.run_app(app, shutdown_timeout=20)", "https://docs.aiohttp.org/en/stable/web_advanced.html#graceful-shutdown")
	case a.Name == "tornado" && (a.trouble == unhandled || a.trouble == brokenOff):
		return advise("Stop accepting, and count your requests to know when they have ended: close_all_connections() closes them whatever they are at.", `
server.stop()
while in_flight:            # counted in prepare() and on_finish()
    await asyncio.sleep(0.1)`, "https://www.tornadoweb.org/en/stable/httpserver.html")
	case a.Name == "daphne" && (a.trouble == brokenOff || a.trouble == unhandled):
		return advise("daphne has no graceful end. uvicorn and hypercorn serve the same application, and have one.", "uvicorn --timeout-graceful-shutdown 20 app:app", "https://www.uvicorn.org/settings/#timeouts")
	case (a.Name == "http.server" || a.Name == "werkzeug" || a.Name == "wsgiref") && (a.trouble == unhandled || a.trouble == brokenOff || a.trouble == deaf):
		return advise(a.Name+" is meant for development, and has no graceful end. Put the application into a server that has one.", "gunicorn --graceful-timeout 25 app:app", "https://docs.gunicorn.org/en/stable/settings.html#graceful-timeout")
	case a.Runtime == "python" && a.trouble == deaf:
		return advise("Python has no handler for SIGTERM of its own. Write one, as the first thing.", `
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))`, "https://docs.python.org/3/library/signal.html")
	case a.Runtime == "python" && (a.trouble == hangsUp || a.trouble == unannounced || a.trouble == refuses) && a.Name != "python":
		return inFront(a.Name, "closes its listener and what is idle when it stops")
	default:
		return ""
	}
}

func mendUWSGI(a ailment) string {
	if a.Name != "uwsgi" {
		return ""
	}
	switch a.trouble {
	case waits, brokenOff, unhandled, ignores:
		return advise("By itself uWSGI takes SIGTERM for a reload, and with die-on-term for a quick end. Ask for the graceful one.", `
master = true
hook-master-start = unix_signal:15 gracefully_kill_them_all`, "https://github.com/unbit/uwsgi/issues/849#issuecomment-118869386")
	case hangsUp, unannounced, refuses:
		return inFront("uWSGI", "closes its listener at the signal")
	default:
		return ""
	}
}
