package check

import (
	"context"
	"time"
)

func idleUsed() Case {
	return Case{
		Name:  "idle-used",
		Title: "An idle kept-alive connection is closed in an orderly way (FIN, not RST) while the server still runs.",
		Rests: "RFC 9112 §9.5: a server should close idle connections with a graceful close; §9.6: a reset may destroy an answer that is not read yet",
		With:  "kept",
		needs: needsKeepAlive,
		run:   runIdleUsed,
	}
}

// Outcomes of an idle connection.
const (
	outcomeIdleReset   Outcome = "reset while idle"
	outcomeNeverHungUp Outcome = "never closed"
	outcomeAtExit      Outcome = "closed by the exit" // and not before: the kernel did it
)

// sameMoment is how close to the exit the end of a connection is the exit's.
const sameMoment = 30 * time.Millisecond

func runIdleUsed(ctx context.Context, p *place) (Result, error) {
	c, err := p.used(ctx)
	if err != nil {
		return Result{}, err
	}
	defer c.Close()
	if err := p.awaitSignal(); err != nil {
		return Result{}, err
	}
	e, gone := c.hungUp(p.patience())
	at := time.Now()
	after := Duration(p.since(at))
	switch {
	case !gone:
		return warn(outcomeNeverHungUp, "still open %v after the signal: its client was never told", after)
	case e == reset:
		return warn(outcomeIdleReset, "reset (RST) %v after the signal; a client that had not read its last answer loses it", after)
	case p.exitedBy(ctx, at.Add(sameMoment)):
		return pass(outcomeAtExit, "closed %v after the signal, when the server exited", after)
	default:
		return pass(outcomeHungUp, "closed %v after the signal", after)
	}
}

// exitedBy waits for the first process's end, until then.
func (s *Stage) exitedBy(ctx context.Context, until time.Time) bool {
	if s.proc == nil {
		return false
	}
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-s.proc.exited:
		return s.proc.exit.At.Before(until)
	case <-timer.C:
		return false
	case <-ctx.Done():
		return false
	}
}
