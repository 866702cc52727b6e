package check

import (
	"context"
	"fmt"
	"time"
)

func exitKeptAlive() Case {
	return Case{
		Name:  "exit-kept-alive",
		Title: "A server does not wait for clients that keep an idle connection and ask for nothing.",
		Rests: "RFC 9112 §9.5: a server may close an idle connection at any time",
		With:  "kept",
		needs: all(needsLocal, needsKeepAlive),
		run:   runExitKeptAlive,
	}
}

func runExitKeptAlive(ctx context.Context, p *place) (Result, error) {
	c, err := p.used(ctx)
	if err != nil {
		return Result{}, err
	}
	defer c.Close()
	if err := p.awaitSignal(); err != nil {
		return Result{}, err
	}
	r, err := p.awaitExit(ctx)
	if err != nil || r.Outcome != outcomeNeverExits {
		return r, err
	}
	// Does it wait for the client, or not end at all? The other cases of this
	// stage let go of their connections at the same time.
	c.Close()
	timer := time.NewTimer(afterGrace - 200*time.Millisecond)
	defer timer.Stop()
	select {
	case <-p.proc.exited:
		r.Outcome = outcomeWaitsForClients
		r.Observed = fmt.Sprintf("waited for idle clients through the whole grace of %v, and exited once they had gone", p.target.grace())
	case <-timer.C:
	case <-ctx.Done():
	}
	return r, nil
}
