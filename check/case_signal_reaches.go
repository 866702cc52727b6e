package check

import (
	"context"
	"fmt"
	"time"
)

func signalReaches() Case {
	return Case{
		Name:  "signal-reaches",
		Title: "The stop signal, sent to the first process, reaches the program that serves.",
		Rests: "Dockerfile reference, ENTRYPOINT, shell form: the program is not PID 1 and gets no signals; kill(2)",
		With:  "idle",
		needs: needsLocal,
		run:   runSignalReaches,
	}
}

const (
	outcomeReached Outcome = "reached"
	outcomeIgnored Outcome = "ignored" // the program has said that it does not want to know
)

// survives is how long the processes that serve may outlast the first one until
// they count as not told. In a container they end in the same moment.
const survives = time.Second

func runSignalReaches(ctx context.Context, p *place) (Result, error) {
	if err := p.awaitSignal(); err != nil {
		return Result{}, err
	}
	st := p.stance
	switch {
	case len(st.serving) == 0:
		return Result{}, fmt.Errorf("no process of the server could be seen to listen on port %d", portOf(p.base))
	case st.direct(p.proc) && st.ignores:
		return fail(outcomeIgnored, "%s listens by itself, and ignores %s", st.first, signalName(p.target.signal()))
	case st.direct(p.proc):
		return pass(outcomeReached, "the first process, %s, listens by itself", st.first)
	}
	return p.watchPassedOn(ctx, describeAll(st.serving))
}

// watchPassedOn waits until the processes that serve have stopped listening, or
// the one that should have told them has not.
func (s *Stage) watchPassedOn(ctx context.Context, servants string) (Result, error) {
	st, exited := s.stance, s.proc.exited
	var patience <-chan time.Time
	for ctx.Err() == nil {
		left := st.stillServing(portOf(s.base))
		after := Duration(s.since(time.Now()))
		if len(left) == 0 {
			return pass(outcomeReached, "%s passed it on: %s listened no more, %v after the signal", st.first, servants, after)
		}
		select {
		case <-exited:
			exited, patience = nil, time.After(survives)
		case <-patience:
			return fail(outcomeUnreached, "%s, the first process, %s and did not pass the signal on: %s still listened %v later",
				st.first, s.proc.exit, describeAll(left), survives)
		case <-s.graceOver:
			return fail(outcomeUnreached, "%s, the first process, did not pass the signal on: %s still listened after %v",
				st.first, describeAll(left), s.target.grace())
		case <-time.After(20 * time.Millisecond): // nobody tells when a socket is closed
		case <-ctx.Done():
		}
	}
	return Result{}, ctx.Err()
}
