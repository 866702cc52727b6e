package check

import (
	"context"
	"time"
)

func usedAfterBusy() Case {
	return Case{
		Name:  "used-after-busy",
		Title: "A connection that was busy at the signal is ended after its answer, though its client goes on asking.",
		Rests: "RFC 9112 §9.6: a server that means to close a connection says Connection: close in its last answer",
		needs: all(needsSlow, needsKeepAlive),
		run:   runUsedAfterBusy,
	}
}

const (
	steadily = 100 * time.Millisecond // between two requests of a client that asks for as long as it is answered
	spare    = 500 * time.Millisecond // before the end of the grace, so that the last answer is not one that the kill cuts
)

// runUsedAfterBusy asks to the end of the grace: a server may well go on for a
// while, but not for as long as somebody asks.
func runUsedAfterBusy(ctx context.Context, p *place) (Result, error) {
	c, err := p.askedSlowly(ctx)
	if err != nil {
		return Result{}, err
	}
	defer c.Close()
	if err := p.awaitSignalAsked(); err != nil {
		return Result{}, err
	}
	a := c.answer(p.patience())
	if !p.right(a) { // which is the matter of in-flight-slow
		return verdict(Skip, "", "the request in flight was not answered: %s", []any{a})
	}
	if a.close {
		return pass(outcomeLastAnswer, "answered with Connection: close, %v after the signal", Duration(p.since(a.at)))
	}
	for sent := 0; ; sent++ {
		if e, gone := c.hungUp(time.Now().Add(steadily)); gone {
			return hungUp(p, e, sent)
		}
		if over := p.since(time.Now()) > p.target.grace()-spare; over && sent == 0 {
			return verdict(Skip, "", "the slow path leaves no time in the grace of %v to ask again", []any{p.target.grace()})
		} else if over {
			return fail(outcomeAnsweredOn, "%d more requests answered after it, until the grace of %v was over, with no word that the connection should end", sent, p.target.grace())
		}
		if err := c.get(p.path()); err != nil {
			return fail(outcomeCut, "request %d after the answer could not be sent: %v", sent+1, err)
		}
		if r, err, over := judgeUsed(p, c, c.answer(p.patience()), sent+1); over {
			return r, err
		}
	}
}
