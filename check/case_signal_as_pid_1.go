package check

import "context"

func signalAsPID1() Case {
	return Case{
		Name:  "signal-as-pid-1",
		Title: "As the first process of a container the server would get the signal: it has a handler for it.",
		Rests: "pid_namespaces(7): PID 1 gets only signals that it has a handler for",
		With:  "idle",
		needs: needsLocal,
		run: func(_ context.Context, p *place) (Result, error) {
			return judgePID1(stanceOf(p.proc, p.target.signal(), portOf(p.base)), signalName(p.target.signal()), firstOfNamespace(p.proc.pid))
		},
	}
}

const (
	outcomeHandled    Outcome = "handled"
	outcomeDeafAsPID1 Outcome = "deaf as PID 1"
)

func judgePID1(st stance, signal string, isPID1 bool) (Result, error) {
	switch {
	case st.handles:
		return pass(outcomeHandled, "%s has a handler for %s", st.first, signal)
	case isPID1:
		return fail(outcomeDeafAsPID1, "%s is PID 1 of its container and has no handler for %s: the kernel does not even deliver it", st.first, signal)
	default:
		return warn(outcomeDeafAsPID1, "%s has no handler for %s: as PID 1 of a container it would run on until it is killed", st.first, signal)
	}
}
