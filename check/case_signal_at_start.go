package check

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

func signalAtStart() Case {
	return Case{
		Name:  "signal-at-start",
		Title: "A signal that comes while the server starts ends it soon; it is not lost, with a server that goes on to serve.",
		Rests: "Kubernetes, Pod Lifecycle: a Pod can be terminated in any phase; signal(7)",
		needs: needsCommand,
		run:   runSignalAtStart,
		bare:  true,
	}
}

const (
	outcomeServesOn     Outcome = "serves on"      // as if there had been no signal
	outcomeHangsAtStart Outcome = "hangs at start" // neither ends nor serves
)

// A moment of a server's start-up.
type moment struct {
	when string
	wait func(context.Context, *server) error
}

func (s *Stage) momentsOfStart() []moment {
	half := time.Duration(s.survey.Start) / 2
	return []moment{
		{"at once", func(context.Context, *server) error { return nil }},
		{"half-way", func(ctx context.Context, _ *server) error { pause(ctx, half); return nil }},
		{"when it began to listen", func(ctx context.Context, srv *server) error {
			return srv.until(ctx, srv.listens, time.Millisecond)
		}},
	}
}

// runSignalAtStart tries each moment on a server of its own, and reports the
// worst.
func runSignalAtStart(ctx context.Context, p *place) (Result, error) {
	moments := p.momentsOfStart()
	results, errs := make([]Result, len(moments)), make([]error, len(moments))
	var trying sync.WaitGroup
	for i, m := range moments {
		trying.Go(func() { results[i], errs[i] = p.signalAt(ctx, m) })
		if !p.survey.Moves { // they would listen on the same port
			trying.Wait()
		}
	}
	trying.Wait()
	for _, err := range errs {
		if err != nil {
			return Result{}, err
		}
	}
	worst := slices.MaxFunc(results, func(a, b Result) int {
		return cmp.Or(cmp.Compare(badness(a.Verdict), badness(b.Verdict)), cmp.Compare(a.Took, b.Took))
	})
	if worst.Verdict == Pass {
		worst.Observed = fmt.Sprintf("signalled at once, half-way and when it began to listen, it was gone %v later at most", worst.Took)
	}
	return worst, nil
}

func badness(v Verdict) int { return slices.Index([]Verdict{Skip, Pass, Warn, Fail}, v) }

// signalAt starts a server, signals it at the moment, and waits for its end.
func (s *Stage) signalAt(ctx context.Context, m moment) (Result, error) {
	srv, err := begin(s.target, 0)
	if err != nil {
		return Result{}, err
	}
	defer srv.end()
	if err := m.wait(ctx, srv); err != nil {
		return Result{}, err
	}
	signalled := time.Now()
	if err := srv.signal(s.target.signal()); err != nil {
		return Result{}, err
	}
	// A start that must be finished first is allowed for, but no longer than the
	// grace: then it would be killed.
	limit, cancel := context.WithTimeout(ctx, min(s.target.grace(), time.Duration(s.survey.Start)+soon))
	defer cancel()
	r, err := s.judgeStart(limit, srv, m.when)
	if ctx.Err() != nil {
		return Result{}, ctx.Err()
	}
	r.Took = Duration(time.Since(signalled))
	return r, err
}

// judgeStart waits for the server's end, until limit is done at most.
func (s *Stage) judgeStart(limit context.Context, srv *server, when string) (Result, error) {
	who := "it"
	select {
	case <-srv.proc.exited:
		left := srv.proc.lingering(limit)
		if len(left) == 0 {
			return pass(outcomeExited, "%s", srv.proc.exit)
		}
		who = describeAll(left)
	case <-limit.Done():
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(s.survey.Start)+soon)
	defer cancel()
	switch {
	case srv.serves(ctx):
		return fail(outcomeServesOn, "signalled %s, while it started, %s went on to serve as if nothing had been said", when, who)
	case who == "it":
		return fail(outcomeHangsAtStart, "signalled %s, while it started, it neither ended nor served", when)
	default: // what it leaves behind is another case
		return pass(outcomeExited, "%s", srv.proc.exit)
	}
}

// serves reports whether any of the server's processes comes to answer, even if
// the first one is gone.
func (s *server) serves(ctx context.Context) bool {
	for ctx.Err() == nil && len(s.proc.pids()) > 0 {
		if s.locate() == nil && s.ask(ctx) == nil {
			return true
		}
		pause(ctx, 20*time.Millisecond)
	}
	return false
}
