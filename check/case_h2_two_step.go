package check

import (
	"context"
	"fmt"

	"golang.org/x/net/http2"
)

func h2TwoStep() Case {
	return Case{
		Name:  "h2-two-step",
		Title: "Requests that an HTTP/2 client sends before GOAWAY can have reached it are answered.",
		Rests: "RFC 9113 §6.8: a first GOAWAY with 2^31-1, and after a round trip another with the last stream",
		With:  "h2-crossing", // a server that breaks down over such requests must not fail other cases by it
		needs: needsHTTP2,
		run:   runH2TwoStep,
	}
}

// Outcomes of requests that cross the server's goodbye.
const (
	outcomeTwoSteps Outcome = "two steps" // none was disowned
	outcomeOneStep  Outcome = "one step"  // some were, rightly: their clients must repeat them
)

func runH2TwoStep(ctx context.Context, p *place) (Result, error) {
	c, err := p.used2(ctx, habits{lag: farAway})
	if err != nil {
		return Result{}, err
	}
	defer c.Close()
	c.mustCross()
	if err := p.awaitSignal(); err != nil {
		return Result{}, err
	}
	ctx, cancel := p.within(ctx)
	defer cancel()
	asked := c.askOn(ctx, func() (*stream2, error) { return c.get(p.path()) })
	count := c.fates(ctx, asked, p.right2)
	p.awaitSecond(ctx, c)
	r, err := judgeCrossing(p, c, len(asked), count)
	r.Sent, r.Lost = len(asked), count[fateLost]+count[fateRefused]
	return r, err
}

// awaitSecond waits for the second goodbye behind a first, or for the end. A
// server may take its time between the two, so it is not waited for long.
func (p *place) awaitSecond(ctx context.Context, c *conn2) {
	ctx, cancel := context.WithTimeout(ctx, goesOn)
	defer cancel()
	_ = c.wait(ctx, func() bool { return len(c.goaways) != 1 || c.goaways[0].last != allStreams })
}

func judgeCrossing(p *place, c *conn2, asked int, count map[fate]int) (Result, error) {
	said, end, at := c.farewell()
	all := fmt.Sprintf("of %d requests sent after the signal by a client %v away", asked, farAway)
	switch {
	case len(said) == 0 && end == "": // the last of them may yet be answered
		return Result{Verdict: Skip, Outcome: outcomeNeverTold, Observed: "requests went on being taken until the end of the grace, and there was no GOAWAY that they could have crossed"}, nil
	case count[fateLost] > 0 && len(said) == 0:
		return fail(outcomeCut, "%s, %d were lost: the connection was %s %v after the signal, without GOAWAY, and nobody knows whether they were worked on", all, count[fateLost], end, Duration(p.since(at)))
	case count[fateLost] > 0:
		return fail(outcomeCut, "%s, %d were lost: neither answered nor disowned by %s", all, count[fateLost], steps(p, said))
	case count[fateRefused] > 0:
		return fail(outcomeRefusedClose, "%s, %d were answered otherwise than on an ordinary day", all, count[fateRefused])
	case len(said) == 0:
		return warn(outcomeNotTold, "%s, all were answered, but the connection was %s without GOAWAY %v after the signal", all, end, Duration(p.since(at)))
	case count[fateDisowned] > 0 || said[0].last != allStreams:
		return warn(outcomeOneStep, "%s, %d were on their way at GOAWAY and are not worked on, as it says (%s). Clients may send such requests again elsewhere. "+
			"Go's does so, but one whose body it cannot read a second time (no GetBody) fails", all, count[fateDisowned], steps(p, said))
	default:
		return pass(outcomeTwoSteps, "%s, all were answered (%s)", all, steps(p, said))
	}
}

// steps tells what the server has said, and when.
func steps(p *place, said []goAway) string {
	text := ""
	for i, g := range said {
		if i > 0 {
			text += ", "
		}
		last := fmt.Sprintf("last stream %d", g.last)
		if g.last == allStreams {
			last = "last stream 2^31-1"
		}
		if g.code != http2.ErrCodeNo {
			last += fmt.Sprintf(" and the error %v", g.code)
		}
		text += fmt.Sprintf("GOAWAY with %s after %v", last, Duration(p.since(g.at)))
	}
	return text
}
