package check

import (
	"context"
	"fmt"
	"time"
)

func eventsBoundary() Case {
	return Case{
		Name:  "events-boundary",
		Title: "A stream of server-sent events ends behind a whole event, as an answer that is whole.",
		Rests: "WHATWG HTML §9.2.6: an event that is not whole at the end is dropped; RFC 9112 §8: an answer without its last chunk is incomplete",
		With:  "events",
		needs: needsPath("events", func(p Paths) string { return p.Events }),
		run:   runEventsBoundary,
	}
}

// Outcomes of a stream of events.
const (
	outcomeEnded   Outcome = "ended"   // behind a whole event, and as a whole answer
	outcomeUnended Outcome = "unended" // behind a whole event, but cut
)

// A stream that is cut between two events is a warning: it is written into the
// protocol that EventSource comes back by itself, and nothing of it was lost.
// One that is kept to the end of the grace is a fault: the deploy waits for it,
// and the kill does not look where it cuts.
func runEventsBoundary(ctx context.Context, p *place) (Result, error) {
	open := p.openEvents
	if !p.survey.HTTP1 {
		open = p.openEvents2
	}
	s, err := open(ctx)
	if err != nil {
		return Result{}, fmt.Errorf("GET %s: %w", p.target.Paths.Events, err)
	}
	defer s.Close()
	if err := p.awaitSignal(); err != nil {
		return Result{}, err
	}
	ctx, cancel := p.within(ctx)
	defer cancel()
	return p.judgeEvents(s.toEnd(ctx), s.eventStream)
}

func (p *place) judgeEvents(e ending, s *eventStream) (Result, error) {
	after := Duration(p.since(time.Now()))
	switch {
	case e == timeout:
		return fail(outcomeNeverTold, "the stream was kept open to the end of the grace of %v, when deploys kill the server; %d events had come", p.target.grace(), s.whole)
	case e == whole && s.between():
		return pass(outcomeEnded, "ended as a whole answer behind %d whole events, %v after the signal", s.whole, after)
	case e == whole:
		return fail(outcomeCut, "ended in the middle of event %d, %v after the signal: its client drops what it has of it", s.whole+1, after)
	case s.between():
		return warn(outcomeUnended, "%s, %v after the signal, behind %d whole events: EventSource comes back by itself, other clients see an error", e, after, s.whole)
	default:
		return fail(outcomeCut, "%s and of event %d, %v after the signal: its client drops what it has of it", e, s.whole+1, after)
	}
}
