package check

import "fmt"

// mendAny is the mend for a server of which nothing is known, in general terms.
func mendAny(a ailment) string {
	if advice := mendAnyProcess(a); advice != "" {
		return advice
	}
	if advice := mendAnyLasting(a); advice != "" {
		return advice
	}
	switch a.trouble {
	case waits:
		return advise("Say Connection: close in each answer after the signal, close what is idle, and put a limit on the wait that is shorter than the deploy's grace.", "", "https://www.rfc-editor.org/rfc/rfc9112#section-9.6")
	case hangsUp:
		return advise("Go on serving for some seconds after the signal, with Connection: close in each answer, and close what is idle only then. If the server cannot, whoever sends it requests must stop before it gets the signal: by a pause in Kubernetes, by taking it out of the load balancer first elsewhere; Segue's proxy does it by itself.", preStop, urlHooks)
	case refuses:
		return advise("Answer what comes on open connections for as long as they are open, and say Connection: close in the answer: a 503 is an error to the client, and if the connection stays, so does the client.", "", "https://www.rfc-editor.org/rfc/rfc9112#section-9.6")
	case unannounced:
		return advise("At the signal let the readiness probe fail, and go on accepting for longer than it takes to be seen (the probe's period times its failures, and the routes' way to all nodes); close the listener after that. If the server cannot, let it get the signal later.", preStop, urlHooks)
	case disowned:
		return advise("Few clients send requests before earlier ones are answered, and those that do send them again. A server may answer what it has read already, and say Connection: close in the last of these answers.", "", "https://www.rfc-editor.org/rfc/rfc9112#section-9.3.2")
	default: // brokenOff
		return advise("After the signal, wait until every request that has begun to arrive is answered to its end, for as long as the deploy's grace allows, and exit only then.", "", urlPods)
	}
}

func mendAnyProcess(a ailment) string {
	switch a.trouble {
	case unsignalled:
		return advise("Let the program that serves be the first process: the exec form in a Dockerfile, and exec before the last command of a start script. What must stand before it has to pass the signal on, and to wait.", `
ENTRYPOINT ["server"]     # not: ENTRYPOINT server
exec server "$@"          # the last line of a start script`, "https://docs.docker.com/reference/dockerfile/#shell-form-entrypoint-example")
	case ignores:
		return advise("Install a handler for the signal. A signal that is ignored stays so across exec: it may be nohup, or a trap '' in a start script, that began it.", "", "https://man7.org/linux/man-pages/man7/signal.7.html")
	case unhandled:
		return advise(fmt.Sprintf("Handle %s: stop accepting, finish what is under way, exit. Many servers have another signal for that: then tell it to the deploy tool (STOPSIGNAL, KillSignal=).", signalName(a.signal)), "", urlPods)
	case deaf:
		return advise("Handle the signal in the program. Until then an init as PID 1 sees that it arrives; without a handler it ends the program at once.", `
docker run --init …                     # init: true in compose
ENTRYPOINT ["tini", "--", "server"]     # elsewhere`, "https://docs.docker.com/reference/cli/docker/container/run/#init")
	case lostAtStart:
		return advise("Install the handler before anything that takes time, let it remember the signal, and look at that before you begin to listen.", "", "https://man7.org/linux/man-pages/man7/signal.7.html")
	case hurried:
		return advise("Let a second signal change nothing while the stop is under way. If it is meant for an impatient Ctrl-C, let SIGINT alone hurry.", "", "https://man7.org/linux/man-pages/man7/signal.7.html")
	case crashes:
		return advise("It was ended by a signal that nobody has sent: its last words (--output shows them) tell what broke. What it used was perhaps closed before the requests that needed it had ended.", "", "https://man7.org/linux/man-pages/man7/signal.7.html")
	case exitsBadly:
		return advise("Exit with 0 after a stop that was asked for, or tell the supervisor that this code is none of failure.", "SuccessExitStatus=CODE   # in the systemd unit", "https://www.freedesktop.org/software/systemd/man/latest/systemd.service.html#SuccessExitStatus=")
	case lingers:
		return advise("Something holds the process after its last answer: a thread, a pool, a timer, a client that keeps an idle connection. A deploy waits that long for each instance.", "", urlPods)
	case leftBehind:
		return advise("The first process must pass the signal to those that it has started, and wait for them before it exits; or be replaced by the one that counts, with exec.", "", "https://man7.org/linux/man-pages/man7/pid_namespaces.7.html")
	case portHeld:
		return advise("A process that lives on has inherited the listening socket: open it with close-on-exec (SOCK_CLOEXEC), or end that process first.", "", "https://man7.org/linux/man-pages/man2/socket.2.html")
	case noSuccessor:
		return advise("Set SO_REUSEADDR before bind, and leave nothing behind that the next one stumbles over: a lock, a PID file, a socket file.", "", "https://man7.org/linux/man-pages/man7/socket.7.html")
	default:
		return ""
	}
}

// mendAnyLasting is about HTTP/2 and what lasts.
func mendAnyLasting(a ailment) string {
	switch a.trouble {
	case goaway:
		return advise("At the signal send GOAWAY with last stream 2^31-1, wait for a round trip (a PING tells), send GOAWAY with the last stream that you have really begun, answer all up to it, and close then.", "", "https://www.rfc-editor.org/rfc/rfc9113#section-6.8")
	case grpcWatch:
		return advise("At the signal set every service to NOT_SERVING, go on serving until those who balance by health have seen it, and stop gracefully then.", "", "https://grpc.io/docs/guides/health-checking/")
	case grpcStreams:
		return advise("At the signal end open streams with the status UNAVAILABLE: clients take that for a reason to go elsewhere. A limit on a connection's age keeps streams from becoming too old.", "", "https://grpc.io/docs/guides/server-graceful-stop/")
	case webSockets:
		return advise("At the signal send each client a Close frame with 1001 (going away), or 1012 (restart) if it should come back at once, and wait a moment for its own.", "", "https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1")
	case events:
		return advise("At the signal end each stream behind a whole event (a blank line), and its answer properly. The client comes back by itself, with Last-Event-ID, after the time that a retry: line names.", "", "https://html.spec.whatwg.org/multipage/server-sent-events.html")
	default:
		return ""
	}
}
