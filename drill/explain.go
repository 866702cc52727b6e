package drill

import (
	"fmt"
	"time"
)

// explain says in plain words why a request was lost, and what usually causes
// that when software is replaced.
func explain(f *Failure) string {
	if e := explainByState(f); e != "" {
		return e
	}
	return explanations[f.Class]
}

var explanations = map[Class]string{
	Refused: "Nothing was listening. The old process closed its listening socket before the new one had opened its own, " +
		"or the proxy in front was restarted. Keep the socket open across the change (socket passing, or a proxy that stays).",
	ConnectTimeout: "The connection was not accepted in time. The accept queue was full because nobody accepted any more, " +
		"or packets were dropped (a firewall, or an address that has moved).",
	ConnectFailed: "No connection could be had: name resolution, routing, or the TLS handshake failed.",
	EOFFresh: "The connection was accepted and closed without an answer. A process that exits while connections wait to be " +
		"served, or a proxy that had no healthy instance to send it to.",
	Truncated: "The response began and was cut off. The process was stopped while it was answering: " +
		"let it finish what it has accepted (drain) before it is told to exit.",
	ResetInResponse: "The response began and the connection was then reset: the process was killed while it was answering, " +
		"or its stop timeout is shorter than its longest response.",
	Unavailable: "The server refused politely: it, or the proxy in front, had no instance ready, or was shedding load.",
	ServerError: "The server answered with an error of its own. During a deploy: an instance that took traffic before it " +
		"was ready, a dependency closed too early while stopping, or a proxy without a healthy instance.",
	UnexpectedStatus: "The answer had a status that the plan does not expect. A release that lacks this route, " +
		"a session that was lost with the old process, or a wrong plan.",
	WrongHeader: "The answer was complete, but a header was not as expected: a release that differs, or somebody else's answer.",
	WrongBody:   "The answer was complete, but its body was not as expected: a release that differs, or somebody else's answer.",
	Malformed: "What came was not valid HTTP: another protocol on this port, or a response that was mixed with another " +
		"or continued by a dying process.",
	GoAway: "The server had said goodbye (GOAWAY) with the promise to answer the streams it had accepted, and then closed " +
		"the connection without answering this one. It must wait for open streams before it closes.",
	StreamReset: "The server gave this stream up (RST_STREAM). A handler that was aborted, often by a shutdown that does not wait.",
	StreamRefused: "The server declared the request unprocessed, which allows one to repeat it safely, and did so again when " +
		"it was repeated: no connection took requests.",
	NotSent: "Not the service's doing: this machine could not send it. Lower the rate, raise MaxInFlight or the limit of " +
		"open files, or run the drill where there is more processor time.",
}

// explainByState knows better for some classes, by the connection's state.
func explainByState(f *Failure) string {
	onConn := fmt.Sprintf("request %d on a connection open for %v", f.OnConn, f.ConnAge.Round(time.Millisecond))
	switch {
	case f.Class == EOFReused:
		return "The server closed an idle kept-alive connection just as it was used again (" + onConn + "). " +
			"A server that stops must first say “Connection: close” in its answers, and then wait a little before it closes idle connections."
	case f.Class == ResetBeforeResponse && f.Reused:
		return "The kept-alive connection was reset just as it was used again (" + onConn + "): the process went away " +
			"with the connection open, or closed it with our request unread."
	case f.Class == ResetBeforeResponse:
		return "The connection was established and then reset before an answer. Typical of a listening socket that is closed while " +
			"connections wait in its accept queue: the kernel had accepted them, the process never saw them."
	case f.Class == Timeout && f.BytesRead > 0:
		return "The response began but was not complete in time: a process that hangs, is frozen, or is slower than the plan's timeout."
	case f.Class == Timeout && f.Reused:
		return "Sent on a kept-alive connection (" + onConn + "), and no answer came in time: the process behind it is gone " +
			"or hangs, and the connection was not closed."
	case f.Class == Timeout:
		return "Connected, and no answer came in time: the connection was accepted by the kernel but not by the process, or the process hangs."
	case f.Class == Unavailable && f.SegueError == "shed":
		return "Segue's proxy turned it away on purpose: the service was short of capacity, and this request matters less than others do " +
			"(shedding in segue.yaml). That is no fault of a release. Either the drill asks for more than the service can do, or the bounds are too low."
	case f.Class == Unavailable && f.RetryAfter != "":
		return explanations[Unavailable] + " It asked to come back after: " + f.RetryAfter + "."
	default:
		return ""
	}
}
