package check

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

func usedAfterSignal() Case {
	return Case{
		Name:  "used-after-signal",
		Title: "A client whose kept-alive connection is still open just after the signal asks once more, and gets its answer.",
		Rests: "RFC 9112 §9.3: connections persist by default; §9.6: the last answer says Connection: close",
		With:  "used",
		needs: needsKeepAlive,
		run:   runUsedAfterSignal,
	}
}

const (
	justAfter   = 50 * time.Millisecond   // after the signal; the program's handler has run by then
	betweenAsks = 20 * time.Millisecond   // of a client that goes on asking
	goesOn      = 1500 * time.Millisecond // how long it does; used-after-busy goes on to the end
)

func runUsedAfterSignal(ctx context.Context, p *place) (Result, error) {
	c, err := p.used(ctx)
	if err != nil {
		return Result{}, err
	}
	defer c.Close()
	// A server with nothing to do may exit at once, and not show what it does with
	// its connections; so it has something to do, if that does not hold up the rest.
	if p.target.Paths.Slow != "" && !p.survey.narrow() {
		busy, err := p.askedSlowly(ctx)
		if err != nil {
			return Result{}, err
		}
		defer busy.Close()
	}
	if err := p.awaitSignal(); err != nil {
		return Result{}, err
	}
	return p.askOnAndOn(c)
}

// askOnAndOn is a careful client: it looks whether its connection was closed
// before each request, and asks until it is told to stop.
func (p *place) askOnAndOn(c *conn) (Result, error) {
	look := p.at.Add(justAfter)
	for sent := 0; ; sent++ {
		if e, gone := c.hungUp(look); gone {
			return hungUp(p, e, sent)
		}
		a := c.exchange(p.path(), p.patience())
		if r, err, over := judgeUsed(p, c, a, sent+1); over {
			return r, err
		}
		if enough := goesOn + p.slack(); p.since(time.Now()) > enough {
			return pass(outcomeAnsweredOn, "%d requests answered in %v after the signal, with no word that the connection should end", sent+1, enough)
		}
		look = time.Now().Add(betweenAsks)
	}
}

// hungUp is a connection that ended while its client was silent. One on which
// the client had just been answered ended so by luck.
func hungUp(p *place, e ending, sent int) (Result, error) {
	after := Duration(p.since(time.Now()))
	if sent > 0 {
		return warn(outcomeHungUp, "%d requests answered with no word of an end, then %s while the client was silent, %v after the signal: a request on its way would have been lost", sent, e.idle(), after)
	}
	return pass(outcomeHungUp, "%s, %v after the signal, while the client was silent", e.idle(), after)
}

// judgeUsed is over once the connection is, or the server has refused.
func judgeUsed(p *place, c *conn, a answer, n int) (r Result, err error, over bool) {
	after := Duration(p.since(a.at))
	switch {
	case a.ending != whole && n > 1: // it answers, and hangs up without a word: that it met a request is chance
		r, err = fail(outcomeHungUp, "%d requests answered, then %s for an answer, %v after the signal", n-1, a.ending, after)
	case a.ending != whole:
		r, err = fail(outcomeCut, "request %d after the signal: %s, %v after the signal", n, a.ending, after)
	case p.right(a) && a.close:
		r, err = pass(outcomeLastAnswer, "request %d after the signal was answered %d with Connection: close, %v after the signal", n, a.status, after)
	case p.right(a):
		return r, nil, false
	default:
		r, err = refused(p, c, a, after)
	}
	return r, err, true
}

// refused tells a server that refuses and closes from one that refuses and
// keeps the connection.
func refused(p *place, c *conn, a answer, after Duration) (Result, error) {
	what := fmt.Sprintf("answered %d %s, %v after the signal", a.status, http.StatusText(a.status), after)
	if a.close {
		return fail(outcomeRefusedClose, "%s, with Connection: close", what)
	}
	if _, gone := c.hungUp(time.Now().Add(5 * betweenAsks)); gone {
		return fail(outcomeRefusedClose, "%s, and closed without a word", what)
	}
	return fail(outcomeRefusedKept, "%s, and kept the connection open", what)
}
