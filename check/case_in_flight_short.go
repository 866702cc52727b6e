package check

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

func inFlightShort() Case {
	return Case{
		Name:  "in-flight-short",
		Title: "Short requests on fresh connections, sent in the very moment of the signal, are answered.",
		Rests: "RFC 9110 §9.2.2: only idempotent requests may be repeated; listen(2): what is in its queue, the client takes for accepted",
		With:  "short",
		needs: needsHTTP1,
		run:   runInFlightShort,
	}
}

const (
	shortClients = 8
	shortBefore  = 5                      // requests of each by which they are out of step
	betweenShort = 8 * time.Millisecond   // between an answer and the client's next request, at most
	shortAfter   = 300 * time.Millisecond // for which they go on after the signal
)

// runInFlightShort has clients ask all the time, so that some are in each state
// in which a short request can be when the signal comes.
func runInFlightShort(ctx context.Context, p *place) (Result, error) {
	kept := &account{stage: p.Stage}
	var asking, begun sync.WaitGroup
	begun.Add(shortClients)
	for range shortClients {
		asking.Go(func() {
			began := sync.OnceFunc(begun.Done)
			defer began()
			for n := 1; p.beforeOrWithin(shortAfter) && askShort(ctx, p, kept); n++ {
				if n == shortBefore {
					began()
				}
				pause(ctx, rand.N(betweenShort))
			}
		})
	}
	begun.Wait()
	err := p.awaitSignal()
	asking.Wait()
	if err != nil {
		return Result{}, err
	}
	r, err := kept.judge("short requests sent around the signal, each on a connection of its own,")
	if kept.gone > 0 && r.Verdict == Pass {
		r.Observed += "; from " + Duration(kept.gone).String() + " after it on connections were refused"
	}
	return r, err
}

// askShort reports whether the client goes on.
func askShort(ctx context.Context, p *place, kept *account) bool {
	a, err := p.ask(ctx, p.path())
	if err != nil {
		kept.refused(time.Now())
		return false
	}
	return kept.enter(a)
}

// beforeOrWithin reports whether the signal is yet to come, or came less than
// this long ago, as far as is known.
func (s *Stage) beforeOrWithin(d time.Duration) bool {
	select {
	case <-s.signalled:
		return s.failed == nil && time.Since(s.at) < d+s.slack()
	default:
		return s.cancelled.Err() == nil
	}
}
