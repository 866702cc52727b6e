package check

import (
	"context"
	"errors"
	"time"
)

func inFlightSlow() Case {
	return Case{
		Name:  "in-flight-slow",
		Title: "A request that is being worked on when the signal comes is answered.",
		Rests: "RFC 9110 §9.2.2: only idempotent requests may be repeated, so all others depend on their answer",
		With:  "busy",
		needs: needsSlow,
		run: func(ctx context.Context, p *place) (Result, error) {
			c, err := p.askedSlowly(ctx)
			if err != nil {
				return Result{}, err
			}
			defer c.Close()
			if err := p.awaitSignalAsked(); err != nil {
				return Result{}, err
			}
			return p.judgeInFlight(c.answer(p.patience()))
		},
	}
}

// askedSlowly is a connection with a slow request on it, on which the server
// works. It is begun when all others of the stage are ready, as it would not
// last.
func (p *place) askedSlowly(ctx context.Context) (*conn, error) {
	if err := p.awaitOthers(); err != nil {
		return nil, err
	}
	c, err := p.dial(ctx)
	if err != nil {
		return nil, err
	}
	if err := c.get(p.target.Paths.Slow); err != nil {
		c.Close()
		return nil, err
	}
	p.asked = time.Now()
	p.taken(ctx, c)
	pause(ctx, leastSlow/10) // from the server's socket to the program there may be some way; nothing tells when
	return c, nil
}

// leastLeft is what a slow request must have before it at the signal, so that a
// server that drops it is seen to.
const leastLeft = leastSlow / 5

// errLate is that of a case that was not in position when the signal came. It is
// played again.
var errLate = errors.New("the slow request was over, or nearly, when the signal came: this machine is busy; name a slower path with --slow")

// awaitSignalAsked is awaitSignal for a case whose slow request must be under
// way then.
func (p *place) awaitSignalAsked() error {
	if err := p.awaitSignal(); err != nil {
		return err
	}
	if p.asked.Add(time.Duration(p.survey.Slow) - leastLeft).Before(p.at) {
		return errLate
	}
	return nil
}

// judgeInFlight is the verdict on the answer to a request that the server had
// when it was told to stop.
func (s *Stage) judgeInFlight(a answer) (Result, error) {
	after := Duration(s.since(a.at))
	switch {
	case s.right(a):
		return pass(outcomeAnswered, "answered %d, %v after the signal", a.status, after)
	case a.ending == whole:
		return fail(outcomeRefusedClose, "answered %d, %v after the signal", a.status, after)
	case a.ending == timeout:
		return fail(outcomeStarved, "not answered within %v of the signal", after)
	default:
		return fail(outcomeCut, "%s, %v after the signal", a.ending, after)
	}
}
