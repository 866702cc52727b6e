package check

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

func h2StreamsFinish() Case {
	return Case{
		Name:  "h2-streams-finish",
		Title: "Requests that are in flight on an HTTP/2 connection when the signal comes are answered whole, also to a client that is slow to read.",
		Rests: "RFC 9113 §6.8: a server leaves a connection open until the streams in progress are complete",
		With:  "h2",
		needs: needsHTTP2,
		run:   runH2StreamsFinish,
	}
}

var errNothingBegun = errors.New("no request could be kept in flight, as the answer has no body; name a slow path with --slow")

// resumes is how long after the signal a client goes on that was silent at the
// signal. The server has begun to leave by then.
const resumes = 300 * time.Millisecond

func runH2StreamsFinish(ctx context.Context, p *place) (Result, error) {
	c, err := p.used2(ctx, habits{holds: true})
	if err != nil {
		return Result{}, err
	}
	defer c.Close()
	if err := p.awaitOthers(); err != nil {
		return Result{}, err
	}
	begun, err := p.begin2(ctx, c)
	if err != nil {
		return Result{}, err
	}
	if len(begun) == 0 {
		return Result{}, errNothingBegun
	}
	if err := p.awaitSignal(); err != nil {
		return Result{}, err
	}
	ctx, cancel := p.within(ctx)
	defer cancel()
	pause(ctx, resumes)
	for _, u := range begun {
		u.finish(ctx)
	}
	return p.judgeBegun(ctx, c, begun)
}

func (p *place) judgeBegun(ctx context.Context, c *conn2, begun []underWay) (Result, error) {
	var done []string
	worst, lost := Result{}, 0
	for _, u := range begun {
		a := c.answer(ctx, u.stream2)
		r, _ := p.judgeInFlight(a) // it has no error to give
		done = append(done, u.what)
		if r.Verdict == Pass {
			continue
		}
		if lost++; lost == 1 {
			worst = r
			worst.Observed = u.what + ": " + r.Observed
		}
	}
	r, err := worst, error(nil)
	if lost == 0 {
		r, err = pass(outcomeAnswered, "answered whole: %s", strings.Join(done, ", "))
	} else if len(begun) > 1 {
		r.Observed += fmt.Sprintf(" (%d of %d lost)", lost, len(begun))
	}
	r.Sent, r.Lost = len(begun), lost
	return r, err
}
