package check

import (
	"context"
	"net/http"
	"strings"
	"time"
)

func expectContinue() Case {
	return Case{
		Name:  "expect-continue",
		Title: "A client that asks before it sends its body (Expect: 100-continue) is told to go on, sends it, and is answered.",
		Rests: "RFC 9110 §10.1.1: the server sends 100 (Continue), or a final answer",
		With:  "upload",
		needs: needsUpload,
		run:   runExpectContinue,
	}
}

// outcomeUnexpected is a server that does not do Expect on any day.
const outcomeUnexpected Outcome = "does not do it"

func runExpectContinue(ctx context.Context, p *place) (Result, error) {
	c, err := p.dial(ctx)
	if err != nil {
		return Result{}, err
	}
	defer c.Close()
	body := strings.Repeat("x", halfOfBody)
	if err := c.send(p.survey.Upload.head(c, len(body), "Expect: 100-continue")); err != nil {
		return Result{}, err
	}
	p.taken(ctx, c)
	if err := p.awaitSignal(); err != nil {
		return Result{}, err
	}
	told, a := p.toldToGoOn(c)
	switch {
	case a.status == http.StatusExpectationFailed:
		return Result{Verdict: Skip, Outcome: outcomeUnexpected, Observed: "the server declines all expectations (417)"}, nil
	case a.ending == whole:
		r, err := p.judgeUpload(a)
		r.Observed = "instead of 100 (Continue): " + r.Observed
		return r, err
	case a.ending != timeout:
		return p.judgeUpload(a)
	}
	r, err := p.judgeUpload(p.finish(c, body))
	if !told {
		r.Observed += "; the body was sent without 100 (Continue), as none had come"
	}
	return r, err
}

// toldToGoOn waits for the interim answer, or a final one. A client that gets
// neither does not wait for ever.
func (p *place) toldToGoOn(c *conn) (told bool, final answer) {
	_ = c.SetReadDeadline(p.at.Add(unhurried + p.slack()))
	for {
		res, a := c.header()
		switch {
		case res == nil:
			return told, a
		case a.status == http.StatusContinue:
			return true, answer{ending: timeout, at: time.Now()}
		case a.status/100 == 1:
			continue
		}
		_ = c.SetReadDeadline(p.patience())
		return false, c.rest(res, a)
	}
}
