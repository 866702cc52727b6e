package check

import (
	"slices"
	"strings"
	"syscall"
)

// A trouble is what is wrong with a server, whichever case has found it: a mend
// is the same for all that have.
type trouble string

const (
	unsignalled trouble = "the signal does not reach the program"
	ignores     trouble = "the program ignores the signal"
	unhandled   trouble = "the program has no handler"
	deaf        trouble = "as PID 1 the program does not get the signal"
	lostAtStart trouble = "a signal at the start is lost"
	hurried     trouble = "a second signal cuts short"
	crashes     trouble = "it crashes when it stops"
	exitsBadly  trouble = "its exit code says failure"
	waits       trouble = "it waits for clients that do not know that they should go"
	lingers     trouble = "it stays long after its last answer"
	brokenOff   trouble = "what was under way is not finished"
	hangsUp     trouble = "connections end while requests are on their way"
	refuses     trouble = "it refuses on connections that it keeps"
	unannounced trouble = "it stops serving before anybody could know"
	disowned    trouble = "pipelined requests are left to their client"
	leftBehind  trouble = "processes are left behind"
	portHeld    trouble = "the port is not given back"
	noSuccessor trouble = "the next one does not start"
	goaway      trouble = "HTTP/2 connections end without a proper GOAWAY"
	grpcWatch   trouble = "gRPC health does not turn"
	grpcStreams trouble = "gRPC streams are not ended"
	webSockets  trouble = "WebSockets are not closed"
	events      trouble = "event streams are not ended"
)

// An ailment is a server with its trouble, stopped by a signal.
type ailment struct {
	Server
	trouble
	signal syscall.Signal
}

// mend is what to do about a result: a sentence, where it helps some lines to
// write, and where that is documented. "" if there is nothing to mend.
func mend(s Server, signal syscall.Signal, r Result) string {
	a := ailment{s, troubleOf(r), signal}
	if a.trouble == "" {
		return ""
	}
	for _, family := range families() {
		if advice := family(a); advice != "" {
			return advice
		}
	}
	return mendAny(a)
}

// families are the mends in the terms of what the server is made of, the most
// particular first. Each says "" to what it knows nothing of.
func families() []func(ailment) string {
	return []func(ailment) string{
		mendLauncher,
		mendGRPC, mendFiber, mendCaddy, mendGo,
		mendTerminus, mendFastify, mendNode,
		mendGunicorn, mendUvicorn, mendHypercorn, mendPython, mendUWSGI,
		mendPuma, mendUnicorn,
		mendSpring, mendQuarkus, mendJava,
		mendNginx, mendHTTPD, mendHAProxy, mendLighttpd, mendPHP,
		mendRust, mendDotnet,
	}
}

// troubleOf goes by the case where that is about one thing, and else by the
// outcome.
func troubleOf(r Result) trouble {
	if r.Verdict != Fail && r.Verdict != Warn {
		return ""
	}
	if t := troubleOfProcess(r); t != "" {
		return t
	}
	switch r.Case {
	case "h2-goaway", "h2-two-step", "h2-last-stream":
		return goaway
	case "grpc-health":
		return grpcWatch
	case "grpc-stream":
		return grpcStreams
	case "websocket-close":
		return webSockets
	case "events-boundary":
		return events
	case "readiness":
		return unannounced
	case "new-connection":
		if r.Outcome == outcomeNotOpened {
			return unannounced
		}
	}
	return troubleOfRequests(r)
}

// troubleOfProcess is about signals and exits.
func troubleOfProcess(r Result) trouble {
	return map[Outcome]trouble{
		outcomeUnreached: unsignalled, outcomeIgnored: ignores, outcomeBySignal: unhandled, outcomeDeafAsPID1: deaf,
		outcomeServesOn: lostAtStart, outcomeHangsAtStart: lostAtStart, outcomeHurried: hurried,
		outcomeCrashed: crashes, outcomeExitCode: exitsBadly, outcomeLingers: lingers,
		outcomeNeverExits: waits, outcomeWaitsForClients: waits, outcomeAnsweredOn: waits, outcomeNeverHungUp: waits,
		outcomeDisowned: disowned, outcomeLeftBehind: leftBehind, outcomePortHeld: portHeld, outcomeNoSuccessor: noSuccessor,
	}[r.Outcome]
}

// onTheirWay are the cases whose requests the server had not read to the end of
// their headers at the signal.
func onTheirWay() []string {
	return []string{"in-flight-short", "half-headers", "used-at-signal", "used-after-signal", "used-after-busy", "pipelined", "steady-load", "accept-queue", "new-connection", "idle-unused", "idle-used"}
}

func troubleOfRequests(r Result) trouble {
	crosses := slices.Contains(onTheirWay(), r.Case)
	switch r.Outcome {
	case outcomeRefusedKept:
		return refuses
	case outcomeRefusedClose:
		if crosses {
			return refuses
		}
	case outcomeNotOpened, outcomeStillReady, outcomeShortNotice:
		return unannounced
	}
	if crosses {
		return hangsUp
	}
	return brokenOff
}

// advise joins a sentence, lines of code or configuration, and where it is
// documented.
func advise(what, code, url string) string {
	var lines []string
	for _, l := range []string{what, strings.Trim(code, "\n"), url} {
		if l != "" {
			lines = append(lines, l)
		}
	}
	return strings.Join(lines, "\n")
}

const (
	urlHooks = "https://kubernetes.io/docs/concepts/containers/container-lifecycle-hooks/"
	urlPods  = "https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination"

	// preStop is what helps a server that cannot wait by itself. The hook's action
	// is on by default since Kubernetes 1.30.
	preStop = `lifecycle: {preStop: {sleep: {seconds: 10}}}   # Kubernetes 1.30 or later`
)

// inFront is the mend for a server that ends its connections at once and has no
// setting to do otherwise.
func inFront(server, why string) string {
	return advise(server+" "+why+", and has no setting to do otherwise: whoever sends it requests must stop before it gets the signal. In Kubernetes that takes a pause, elsewhere an order: out of the load balancer first, then the signal. Segue's proxy does it by itself.", preStop, urlHooks)
}
