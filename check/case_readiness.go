package check

import (
	"cmp"
	"context"
	"time"
)

func readiness() Case {
	return Case{
		Name:  "readiness",
		Title: "The readiness probe says no before new connections are refused, early enough to be seen.",
		Rests: "Kubernetes, Configure Liveness, Readiness and Startup Probes: a probe is sent once in periodSeconds, 1 s at the least",
		With:  "new",
		needs: all(needsHTTP1, needsPath("ready", func(p Paths) string { return p.Ready })),
		run:   runReadiness,
	}
}

// Outcomes of the readiness probe.
const (
	outcomeTurned      Outcome = "turned first"
	outcomeShortNotice Outcome = "short notice" // turned, and refused before a probe would have seen it
	outcomeStillReady  Outcome = "still ready"
)

func runReadiness(ctx context.Context, p *place) (Result, error) {
	if err := p.awaitSignal(); err != nil {
		return Result{}, err
	}
	var turned, last time.Time // when it said no, and when it was last asked and had an answer
	var said string
	for next := p.at.Add(betweenTries); ; next = last.Add(betweenTries) {
		if enough := cmp.Or(turned, p.at.Add(p.slack())).Add(notice); time.Now().After(enough) && !last.IsZero() {
			break
		}
		pause(ctx, time.Until(next))
		began := time.Now()
		a, err := p.ask(ctx, p.target.Paths.Ready)
		if err != nil {
			return p.judgeClosed(turned, began, said)
		}
		if turned.IsZero() && (a.ending != whole || a.status/100 != 2) {
			turned, said = began, a.said()
		}
		last = began
	}
	if turned.IsZero() {
		return warn(outcomeStillReady, "still said that it is ready %v after the signal", Duration(p.since(last)))
	}
	return pass(outcomeTurned, "%s %v after the signal, and still accepting %v later", said, Duration(p.since(turned)), Duration(last.Sub(turned)))
}

// judgeClosed is the verdict on a probe whose connection was refused.
func (p *place) judgeClosed(turned, closed time.Time, said string) (Result, error) {
	if err := p.cancelled.Err(); err != nil {
		return Result{}, err
	}
	if turned.IsZero() {
		return warn(outcomeNotOpened, "was never anything but ready, until connections were refused, %v after the signal", Duration(p.since(closed)))
	}
	return warn(outcomeShortNotice, "%s %v after the signal, and connections were refused %v later: a probe each second may not see it", said, Duration(p.since(turned)), Duration(closed.Sub(turned)))
}
