package check

import (
	"context"

	"golang.org/x/net/http2"
)

func h2GoAway() Case {
	return Case{
		Name:  "h2-goaway",
		Title: "An HTTP/2 client whose connection is idle is told by GOAWAY that the server leaves, before the connection ends.",
		Rests: "RFC 9113 §6.8: an endpoint should always send GOAWAY before it closes a connection",
		With:  "h2",
		needs: needsHTTP2,
		run:   runH2GoAway,
	}
}

// Outcomes of a server's goodbye.
const (
	outcomeTold      Outcome = "told"       // in the words that the protocol has for it
	outcomeToldError Outcome = "told error" // in the words for something that went wrong
	outcomeNotTold   Outcome = "not told"   // it ended without a word
	outcomeNeverTold Outcome = "never told" // kept open, without a word, to the end of the grace
)

// A connection without a request on it that ends without GOAWAY has lost
// nothing, but by luck: h2-two-step has requests on it.
func runH2GoAway(ctx context.Context, p *place) (Result, error) {
	c, err := p.used2(ctx, habits{})
	if err != nil {
		return Result{}, err
	}
	defer c.Close()
	if err := p.awaitSignal(); err != nil {
		return Result{}, err
	}
	ctx, cancel := p.within(ctx)
	defer cancel()
	if !c.goodbye(ctx) {
		return fail(outcomeNeverTold, "an idle connection was kept open, without a word, to the end of the grace of %v, when deploys kill the server", p.target.grace())
	}
	said, end, at := c.farewell()
	if len(said) == 0 {
		return warn(outcomeNotTold, "the connection was %s %v after the signal, without GOAWAY; it was idle, but otherwise its client could not have known which of its requests were worked on", end, Duration(p.since(at)))
	}
	first := said[0]
	after := Duration(p.since(first.at))
	if first.code != http2.ErrCodeNo {
		return warn(outcomeToldError, "GOAWAY came %v after the signal, with the error %s: clients take it for a fault, and some do not repeat what they may", after, first.code)
	}
	return pass(outcomeTold, "GOAWAY came %v after the signal", after)
}
