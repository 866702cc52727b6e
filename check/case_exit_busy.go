package check

import (
	"context"
	"time"
)

func exitBusy() Case {
	return Case{
		Name:  "exit-busy",
		Title: "A server that has a request in flight exits soon after it is answered.",
		Rests: "Kubernetes, Pod Lifecycle, Termination of Pods",
		With:  "busy",
		clear: true,
		needs: all(needsLocal, needsSlow),
		run:   runExitBusy,
	}
}

// soon is how long after its last answer a server may take to exit. A deploy
// waits that long for each instance.
const soon = 5 * time.Second

func runExitBusy(ctx context.Context, p *place) (Result, error) {
	c, err := p.askedSlowly(ctx)
	if err != nil {
		return Result{}, err
	}
	defer c.Close()
	if err := p.awaitSignalAsked(); err != nil {
		return Result{}, err
	}
	a := c.answer(p.patience())
	c.Close()
	r, err := p.awaitExit(ctx)
	if err != nil || r.Verdict != Pass {
		return r, err
	}
	took := r.Took
	switch idle := p.proc.exit.At.Sub(a.at); {
	case !p.right(a): // which is the matter of in-flight-slow
		r.Observed += "; the request was " + a.said()
	case idle > soon:
		r, err = warn(outcomeLingers, "exited %v after the last answer", Duration(idle))
	}
	r.Took = took
	return r, err
}
