package check

import (
	"context"
	"slices"
	"syscall"
	"time"
)

// A stance is how a server stood to the stop signal just before it came.
type stance struct {
	first   string // the first process, for a person
	handles bool   // the first process has a handler for the signal, or waits for it
	ignores bool   // the first process ignores it
	serving []int  // the processes that hold the socket on which the server listens
}

// A reception is how a process receives one signal.
type reception struct{ caught, ignored, blocked bool }

// receptionOf is the first process's; the zero one if it cannot be read.
func receptionOf(p *process, s syscall.Signal) reception {
	d, _ := readDisposition(p.pid)
	// A signal that is waited for (sigwait(3)) is not shown as blocked meanwhile.
	return reception{has(d.caught, s), has(d.ignored, s), has(d.blocked, s) || fetchesSignals(p.pid)}
}

// settle waits until the first process receives the signal as it did when the
// server was surveyed. Some answer before that: HAProxy's master starts itself
// anew when its worker serves already. What a signal does then is a case by
// itself.
func settle(ctx context.Context, p *process, s syscall.Signal, surveyed reception) {
	for until := time.Now().Add(settlesWithin); time.Now().Before(until) && ctx.Err() == nil; pause(ctx, lookAgain) {
		if receptionOf(p, s) == surveyed {
			return
		}
	}
}

// settlesWithin is how long a server that answers may take to be done with its
// start.
const settlesWithin = 2 * time.Second

// stanceOf looks at the processes. What cannot be read counts as not there.
func stanceOf(p *process, s syscall.Signal, port int) stance {
	r := receptionOf(p, s)
	st := stance{first: describe(p.pid), ignores: r.ignored}
	// Blocked signals are never thrown away: a thread fetches them, by
	// sigwait(3) or signalfd(2).
	st.handles = r.caught || r.blocked && !r.ignored
	st.serving = listeners(p.pids())[port]
	return st
}

// direct reports whether the first process itself listens.
func (st stance) direct(p *process) bool { return slices.Contains(st.serving, p.pid) }

// stillServing are those of the processes that hold the socket even now.
func (st stance) stillServing(port int) []int { return listeners(st.serving)[port] }
