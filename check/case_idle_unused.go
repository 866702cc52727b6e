package check

import (
	"context"
	"time"
)

func idleUnused() Case {
	return Case{
		Name:  "idle-unused",
		Title: "A connection that was opened before the signal and never used is closed before its first request, or serves it.",
		Rests: "RFC 9112 §9.5: a server may close an idle connection at any time; clients open connections in advance",
		With:  "unused",
		needs: needsHTTP1,
		run: func(ctx context.Context, p *place) (Result, error) {
			c, err := p.dial(ctx)
			if err != nil {
				return Result{}, err
			}
			defer c.Close()
			p.taken(ctx, c)
			if err := p.awaitSignal(); err != nil {
				return Result{}, err
			}
			if e, gone := c.hungUp(p.at.Add(unhurried + p.slack())); gone {
				return pass(outcomeHungUp, "%s, %v after the signal, before the client sent anything", e.idle(), Duration(p.since(time.Now())))
			}
			return p.judgeFirst(c.exchange(p.path(), p.patience()))
		},
	}
}

// idle is the ending of a connection on which nothing was asked.
func (e ending) idle() string {
	if e == eof {
		return "closed"
	}
	return string(e)
}

func (s *Stage) judgeFirst(a answer) (Result, error) {
	r, err := s.judgeInFlight(a)
	switch {
	case r.Verdict == Pass && a.close:
		r.Outcome = outcomeLastAnswer
	case r.Verdict == Pass:
		r.Outcome = outcomeAnsweredOn
	}
	r.Observed = "its first request, " + Duration(unhurried+s.slack()).String() + " after the signal, was " + r.Observed
	return r, err
}
