package check

import (
	"context"
	"time"
)

func h2LastStream() Case {
	return Case{
		Name:  "h2-last-stream",
		Title: "The last stream that GOAWAY names is the last one: those up to it are answered, and none above it was worked on.",
		Rests: "RFC 9113 §6.8: streams above the last may be sent again elsewhere; §8.7",
		With:  "h2-crossing",
		needs: needsHTTP2,
		run:   runH2LastStream,
	}
}

// Outcomes of a last stream.
const (
	outcomeHonest     Outcome = "honest"
	outcomeDoneTwice  Outcome = "done twice"  // disowned and answered: its client has sent it again by then
	outcomeUnanswered Outcome = "unanswered"  // owned, and not answered
	outcomeRaised     Outcome = "last raised" // a later GOAWAY owns what an earlier one has disowned
)

func runH2LastStream(ctx context.Context, p *place) (Result, error) {
	c, err := p.used2(ctx, habits{lag: farAway, holds: true})
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
	c.mustCross()
	if err := p.awaitSignal(); err != nil {
		return Result{}, err
	}
	ctx, cancel := p.within(ctx)
	defer cancel()
	asked := p.askAround(ctx, c, begun)
	c.fates(ctx, asked, p.right2)
	p.awaitUnowned(ctx, c, begun)
	return p.judgeLast(c, asked)
}

// askAround asks for as long as it is allowed to. The requests that are under
// way end somewhat later than the goodbye, as a last stream must be owned for
// longer than it takes to say so; but the server must not have to wait for them
// before it says goodbye.
func (p *place) askAround(ctx context.Context, c *conn2, begun []underWay) []*stream2 {
	ask := func() (*stream2, error) { return c.ask(p.path()) }
	limited, cancel := context.WithTimeout(ctx, goesOn)
	defer cancel()
	asked := c.askOn(limited, ask)
	pause(ctx, 2*farAway)
	for _, u := range begun {
		u.finish(ctx)
		asked = append(asked, u.stream2)
	}
	return append(asked, c.askOn(ctx, ask)...)
}

// awaitUnowned waits for answers that should not come: to what was disowned
// though it was worked on, and to what came too late.
func (p *place) awaitUnowned(ctx context.Context, c *conn2, begun []underWay) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(max(p.survey.Slow, p.survey.Stream))+resumes)
	defer cancel()
	for _, u := range begun {
		_ = c.wait(ctx, func() bool { return u.over || u.reset })
	}
	soonest, cancel := context.WithTimeout(ctx, 2*farAway)
	defer cancel()
	_ = c.wait(soonest, func() bool { return c.end != "" })
}

func (p *place) judgeLast(c *conn2, asked []*stream2) (Result, error) {
	said, end, _ := c.farewell()
	if len(said) == 0 {
		return Result{Verdict: Skip, Outcome: outcomeNotTold, Observed: "there was no GOAWAY that could name a last stream"}, nil
	}
	last, lowest := said[len(said)-1].last, said[0].last
	for _, g := range said[1:] {
		if g.last > lowest {
			return fail(outcomeRaised, "%s: what the first has disowned, its client has sent again", steps(p, said))
		}
		lowest = g.last
	}
	twice, unanswered := c.dishonest(asked, last)
	switch {
	case twice > 0:
		return fail(outcomeDoneTwice, "%s, and %d requests above it were answered: their clients have sent them again elsewhere, so they are done twice", steps(p, said), twice)
	case unanswered > 0 && end == "":
		return fail(outcomeUnanswered, "%s, and %d requests up to it were not answered by the end of the grace", steps(p, said), unanswered)
	case unanswered > 0:
		return fail(outcomeUnanswered, "%s, and %d requests up to it were not answered; the connection was %s", steps(p, said), unanswered, end)
	}
	return pass(outcomeHonest, "%s: all up to it were answered, and none above it", steps(p, said))
}

// dishonest counts the requests that were answered although they are above the
// last stream, and those that were not although they are not.
func (c *conn2) dishonest(asked []*stream2, last uint32) (twice, unanswered int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, st := range asked {
		switch {
		case st.id > last && st.status != 0:
			twice++
		case st.id <= last && !st.over && !c.disowned(st):
			unanswered++
		}
	}
	return twice, unanswered
}
